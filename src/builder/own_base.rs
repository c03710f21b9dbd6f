//! A runtime on a base of the user's: the base, what is done to it, and the shim on it, as one image.

use super::dependencies::Making;
use super::{BuildLog, Builder, plan};
use crate::domain::{Base, Error, RuntimeRef};
use crate::runtime::Family;

/// How a base that cannot be fetched can be done without.
const INSTEAD: &str = "build it here, or leave the base image out, so that the function runs on its runtime's own";

impl Builder {
    /// The image of a runtime on a user's base, made if need be.
    pub(super) async fn on_base(
        &self,
        runtime: &RuntimeRef,
        family: &Family,
        base: &Base,
        log: &BuildLog,
    ) -> Result<String, Error> {
        let info = self.had(&base.image, INSTEAD, log).await?;
        let (parts, dockerfile) = self.runtime_parts(family).await?;
        let args = self
            .runtime_args(family, runtime, &dockerfile, &base.image, log)
            .await?;
        let tools = match args.get("BUILDER") {
            Some(tools) => self.there(tools).await?.id,
            None => String::new(),
        };
        let dockerfile = plan::on_base(&dockerfile, &base.steps, self.options.ca_bundle.is_some());
        let dockerfile = dockerfile.ok_or_else(|| {
            Error::invalid(format!(
                "the Dockerfile of runtime {} has no line `FROM ${{BASE}}`, so it cannot be put onto an image of yours: \
                 leave the base image out, or change that file",
                family.manifest.name
            ))
        })?;
        let owner = self.options.instance.to_string();
        let key = plan::Key {
            owner: &owner,
            images: &[&info.id, &tools],
            architecture: &info.architecture,
            dockerfile: &dockerfile,
            files: &parts.files,
            code: None,
            args: &self.options.args,
        };
        let making = Making {
            tag: key.tag(plan::ON_BASE, &family.manifest.name),
            base: &info,
            parts,
            dockerfile: ("Dockerfile", dockerfile),
            args,
        };
        let doing = format!("putting runtime {} onto {}", family.manifest.name, base.image);
        self.made_once(making, &doing, log).await
    }
}
