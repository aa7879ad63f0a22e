//! The parts of the provider without IO: prepared once, then called as often as a benchmark likes.

mod credentials;
mod rpc;
mod signature;
mod xml;

use std::fmt;

/// One part.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) prepare: fn() -> Call,
}

pub(crate) type Call = Box<dyn FnMut()>;

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

/// All parts.
pub(crate) const ALL: [Part; 10] = [
    Part { name: "RPC: schema", prepare: rpc::schema },
    Part { name: "RPC: ValidateResourceConfig", prepare: rpc::validate },
    Part { name: "RPC: UpgradeResourceState", prepare: rpc::upgrade },
    Part { name: "RPC: PlanResourceChange", prepare: rpc::plan },
    Part { name: "signature V1", prepare: signature::v1 },
    Part { name: "signature V4", prepare: signature::v4 },
    Part { name: "XML of a rule: read", prepare: xml::read },
    Part { name: "XML of a rule: write", prepare: xml::write },
    Part { name: "credentials: first source", prepare: credentials::first },
    Part { name: "credentials: last source", prepare: credentials::last },
];
