//! Mail: how it leaves, what it says, and the queue that loses none.

pub mod letters;
pub mod queue;
pub mod transport;
