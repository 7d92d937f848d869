//! What becomes of a message that was not judged.
//!
//! Two things can be wrong. A message that nobody can work with fails whenever it is tried, and should be looked at soon. A
//! message that meets a table or a service out of order is fine and has to wait, however long that takes: an outage of days
//! costs time and no event.

use std::time::Duration;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The message: no delivery can help.
    Poison,
    /// Something that the work depends on: a table, an answer, time.
    Dependency,
}

/// What becomes of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays in the queue and is delivered again after so long.
    Again(Duration),
    /// It goes to the dead-letter queue, where somebody looks at it.
    GivenUp,
}

/// So often a message is delivered that cannot be worked with. The first time might be a bad moment.
pub const POISON_DELIVERIES: u32 = 5;

/// The queue keeps a message for 14 days, and then deletes it without a word. A message that waits longer than this is given
/// up before, so that it lies where somebody finds it.
pub const LONGEST_WAIT: Duration = Duration::from_secs(13 * 86_400);

/// How long the queue hides a message by itself: `VisibilityTimeout` of template.yaml.
pub const HIDDEN: Duration = Duration::from_secs(180);

/// The longest time between two deliveries. What waits is judged half an hour after the outage at the latest.
const LONGEST_PAUSE: u32 = 10;

/// A pause grows by one step with so many deliveries.
const DELIVERIES_A_STEP: u32 = 5;

impl Fate {
    /// The fate of a message that was delivered so many times and was sent so long ago. `spread`, from 0 to 1, keeps messages
    /// that failed together from coming back together.
    pub fn of(fault: Fault, deliveries: u32, age: Duration, spread: f64) -> Fate {
        if age >= LONGEST_WAIT || (fault == Fault::Poison && deliveries >= POISON_DELIVERIES) {
            return Fate::GivenUp;
        }
        let pause = HIDDEN * (1 + deliveries / DELIVERIES_A_STEP).min(LONGEST_PAUSE);
        // The first ones come back when the queue itself brings them.
        Fate::Again(if pause == HIDDEN { pause } else { pause.mul_f64(1.0 - 0.2 * spread.clamp(0.0, 1.0)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SQS moves a message by itself after so many receives: `maxReceiveCount` of template.yaml, the most that SQS takes.
    const MOST_RECEIVES: u32 = 1_000;

    #[test]
    fn poison_is_given_up_and_what_waits_for_something_is_not() {
        let soon = Duration::from_secs(900);
        assert_eq!(Fate::of(Fault::Poison, 4, soon, 0.0), Fate::Again(HIDDEN));
        assert_eq!(Fate::of(Fault::Poison, 5, soon, 0.0), Fate::GivenUp);
        assert!(matches!(Fate::of(Fault::Dependency, 900, soon, 0.0), Fate::Again(_)));
    }

    #[test]
    fn an_outage_of_any_length_ends_in_the_dead_letter_queue_before_the_queue_forgets() {
        for spread in [0.0, 0.5, 1.0] {
            let (mut age, mut deliveries) = (Duration::ZERO, 1);
            while let Fate::Again(pause) = Fate::of(Fault::Dependency, deliveries, age, spread) {
                assert!(pause >= HIDDEN && pause <= Duration::from_secs(1_800), "{pause:?}");
                (age, deliveries) = (age + pause, deliveries + 1);
            }
            assert!(deliveries < MOST_RECEIVES, "{deliveries} deliveries");
            assert!(age < Duration::from_secs(14 * 86_400 - 3_600), "{age:?}");
        }
    }

    #[test]
    fn what_failed_together_comes_back_apart() {
        let pause = |spread| Fate::of(Fault::Dependency, 50, Duration::ZERO, spread);
        assert_ne!(pause(0.0), pause(0.7));
        assert_eq!(Fate::of(Fault::Dependency, 1, Duration::ZERO, 0.7), Fate::Again(HIDDEN));
    }
}
