//! Waiting for a condition instead of for time to pass.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{Error, Result};

/// How long an effect of the lab's own traffic may take, on an emulated machine too.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Asks `ready` until it answers with a value; gives up with [`Error::Timeout`] once `limit` has passed.
pub fn until<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_micros(50);
    loop {
        if let Some(value) = ready()? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            return Err(Error::Timeout { what: what.to_owned(), seconds: limit.as_secs_f32() });
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Reads `count` until it is at least `wanted` and returns what it then says.
///
/// A counter that stops short within [`PATIENCE`] is an error: the fault did not do what it promises.
pub fn for_count(what: &str, wanted: u64, mut count: impl FnMut() -> Result<u64>) -> Result<u64> {
    let mut last = 0;
    until(what, PATIENCE, || {
        last = count()?;
        Ok((last >= wanted).then_some(last))
    })
    .map_err(|error| match error {
        Error::Timeout { what, seconds } => {
            Error::Timeout { what: format!("{what} to reach {wanted} (it is {last})"), seconds }
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_until_ready() {
        let mut asked = 0;
        let got = for_count("a counter", 3, || {
            asked += 1;
            Ok(asked)
        });
        assert_eq!(got.unwrap(), 3);
    }

    #[test]
    fn gives_up_with_the_condition_named() {
        let error = until::<()>("the moon", Duration::from_millis(1), || Ok(None)).unwrap_err();
        assert!(error.to_string().contains("the moon"));
    }
}
