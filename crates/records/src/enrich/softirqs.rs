//! Names of softirq vectors, from the text of `/proc/softirqs`: a line of CPUs, then one for each vector in the order of
//! their numbers.

/// The names by number, such as TIMER or NET_RX; what comes after a line that is none is left out.
pub fn names(text: &[u8]) -> Vec<String> {
    let lines = text.split(|byte| *byte == b'\n').skip(1);
    lines
        .map_while(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&line[..colon]).ok()?.trim();
            (!name.is_empty()).then(|| name.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::names;
    use proptest::prelude::*;

    #[test]
    fn in_the_order_of_their_numbers() {
        let text = b"                    CPU0       CPU1
          HI:          0          1
       TIMER:    1163863     905739
      NET_TX:       7606       6585
";
        assert_eq!(names(text), ["HI", "TIMER", "NET_TX"]);
        assert!(names(b"").is_empty());
        assert!(names(b"HI: 1").is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = names(&bytes);
        }
    }
}
