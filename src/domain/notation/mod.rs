//! How others write lengths of time, amounts and schedules: files and requests of several origins share these ways.
//!
//! Reads only. What may be asked for is the rest of the domain's to say.

mod duration;
mod quantity;
mod rhythm;

pub use duration::duration;
pub use quantity::{thousandths, whole};
pub use rhythm::{Rhythm, rhythm};
