//! Profiles of the Alibaba Cloud CLI: `file` parses the configuration file and turns a profile into a
//! credential source, `reader` reads the values of a profile, `current` keeps which one is current, `mode` has the modes, `error` why a profile cannot
//! be used. `ini` recognizes the configuration files of other tools.

mod current;
mod error;
mod file;
mod ini;
mod mode;
mod reader;

pub(in crate::oss) use current::CurrentProfiles;
pub use error::ProfileError;
pub(super) use file::ProfileFile;
pub use ini::{IniFile, IniKind, IniTool};
pub use mode::Mode;
