//! HTTP client connections to whatever stands behind a hop.

pub mod answer;
mod link;
mod pool;
mod stream;

pub use link::Link;
pub use pool::Pool;
pub use stream::Stream;
