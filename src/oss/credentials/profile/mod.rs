//! Profiles of the Alibaba Cloud CLI: `file` reads the configuration file and turns a profile into a
//! credential source, `mode` has the modes, `error` why a profile cannot be used.

mod error;
mod file;
mod mode;

pub use error::ProfileError;
pub(super) use file::{ProfileFile, parse_process_output};
pub use mode::Mode;
