//! CICFlowMeter's 84 columns, under the names of its present version and of the data sets published in 2017 and 2018.
//!
//! They are what their names and its documentation say, not its known errors: lengths are payload and every packet counts
//! once, flags are counted on all packets, header lengths are the transport's, the last period of activity counts. Where it
//! would write NaN or infinity there is null, and of too few values for a statistic 0, as it writes.

mod columns;
mod helpers;

use crate::flow::field::table;
use columns::{ACTIVITY, BULKS, FLAGS, GAPS, HEADER_LENGTH_AGAIN, HEADERS, IDENTITY, LENGTHS};

table! {
    /// Under the names of CICFlowMeter's present version.
    CICFLOWMETER, "flow_cicflowmeter", Stats,
    &[IDENTITY.present, LENGTHS.present, GAPS.present, HEADERS.present, FLAGS.present, BULKS.present, ACTIVITY.present]
}

table! {
    /// Under the names of CSE-CIC-IDS2018.
    CICFLOWMETER_2018, "flow_cicflowmeter", Stats,
    &[IDENTITY.of_2018, LENGTHS.of_2018, GAPS.of_2018, HEADERS.of_2018, FLAGS.of_2018, BULKS.of_2018, ACTIVITY.of_2018]
}

table! {
    /// Under the names of CIC-IDS2017, which has one column twice.
    CICFLOWMETER_2017, "flow_cicflowmeter", Stats,
    &[IDENTITY.of_2017, LENGTHS.of_2017, GAPS.of_2017, HEADERS.of_2017, FLAGS.of_2017, HEADER_LENGTH_AGAIN, BULKS.of_2017, ACTIVITY.of_2017]
}
