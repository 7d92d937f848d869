//! Instances, functions, notebooks.

use serde::{Deserialize, Serialize};

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// `running`, `stopped`, `terminated` …
    pub state: String,
    /// ARN of its instance profile.
    pub profile: Option<String>,
    /// Its VPC.
    pub vpc: Option<String>,
}

/// A Lambda function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its ARN, without a version.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its runtime; an image has none.
    pub runtime: Option<String>,
    /// It is deployed as an image.
    pub image: bool,
    /// Variables of its environment that hold what looks like an access key id.
    pub keys_in_environment: Vec<KeyInEnvironment>,
    /// Why its environment could not be read, in AWS's words.
    pub environment_error: Option<String>,
    /// It runs in a VPC.
    pub in_vpc: bool,
}

/// What looks like an access key id in a variable. The value itself is never kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInEnvironment {
    /// The variable's name.
    pub variable: String,
    /// The id with all but its first four and last four characters hidden.
    pub masked: String,
}

/// A notebook instance as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotebookName {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// `InService`, `Stopped`, `Deleting` …
    pub status: String,
}

/// What a notebook instance may reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notebook {
    /// It reaches the internet past its VPC.
    pub direct_internet: bool,
    /// Its users are root on it.
    pub root_access: bool,
}
