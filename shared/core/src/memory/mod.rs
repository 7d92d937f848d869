//! What machines remember from one event to the next: the journal and what is kept in it.

pub mod doers;
pub mod first_sight;
pub mod journal;
pub mod window;
