//! Puts the questions: each once to each whom it concerns, those first that say whom to ask.

use std::collections::BTreeSet;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use keepwatch_core::posture::{Place, Question, State};

use crate::ask;
use crate::client::Client;

/// How far it is, for whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Questions that are answered, each place counted.
    pub answered: usize,
    /// Questions that are put so far.
    pub put: usize,
}

/// Whom to ask: the places of a question, by what is known.
pub type Places<'p> = &'p dyn Fn(Question, &State) -> Vec<Place>;

/// Asks all of these questions and returns what came of it. The questions are in an order in which each comes after those that it
/// needs (`needs`); `places` says whom they are put to.
///
/// It does not fail: what could not be had is in the state, with the reason.
pub async fn collect(
    client: &Client,
    mut state: State,
    questions: &[Question],
    needs: impl Fn(Question) -> Vec<Question>,
    places: Places<'_>,
    mut told: impl FnMut(Progress),
) -> State {
    let mut waiting: Vec<Question> = questions.to_vec();
    let mut open: Vec<(Question, usize)> = Vec::new();
    let mut under_way = FuturesUnordered::new();
    let mut progress = Progress { answered: 0, put: 0 };
    loop {
        let unfinished: BTreeSet<Question> =
            waiting.iter().copied().chain(open.iter().map(|(question, _)| *question)).collect();
        let ready = |question: &Question| needs(*question).iter().all(|need| !unfinished.contains(need));
        let (now, later): (Vec<Question>, Vec<Question>) = waiting.into_iter().partition(ready);
        waiting = later;
        let none_of_them: bool = now.is_empty();
        for question in now {
            let asked = places(question, &state);
            if !asked.is_empty() {
                open.push((question, asked.len()));
            }
            progress.put += asked.len();
            for place in asked {
                under_way.push(async move { (question, ask::answer(client, question, place).await) });
            }
        }
        match under_way.next().await {
            Some((question, deposit)) => {
                deposit.into_state(&mut state);
                progress.answered += 1;
                told(progress);
                if let Some(at) = open.iter().position(|(other, _)| *other == question) {
                    open[at].1 -= 1;
                    if open[at].1 == 0 {
                        open.swap_remove(at);
                    }
                }
            }
            None if waiting.is_empty() || none_of_them => return state,
            None => {}
        }
    }
}
