//! CloudTrail's event history: once a day it is searched for decisive events that EventBridge did not bring.
//!
//! CloudTrail delivers to EventBridge by best effort, a queue can be emptied, and an event rule that is off tells nobody of
//! it. The event history keeps all management events for 90 days, whether or not there is a trail, and no setting of a trail
//! changes it (CloudTrail user guide, "How CloudTrail works"). What is found there and was not heard becomes a message of
//! the intake queue like any other, so that nothing here is believed more than an event.
//!
//! [`author`] asks it who brought about what only a scan saw. [`decisive`] says which events, [`heard`] remembers those that
//! were judged, [`message`] makes the message, [`progress`] remembers what has been looked at, [`reconcile`] does one run.
//! [`first_look`] is what the welcome mail tells, and [`seed`] reads at first start who has made which calls before.

pub mod author;
pub mod decisive;
pub mod first_look;
pub mod heard;
pub mod message;
pub mod progress;
pub mod reconcile;
pub mod seed;
