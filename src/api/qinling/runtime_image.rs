//! From the name of a runtime's image to one of our runtimes.
//!
//! `hob/FAMILY`, `hob/FAMILY:VERSION` and upstream's own `openstackqinling/ALIAS-runtime` are ours. Any other image must
//! say by its label which family's shim it carries; whoever builds one on an image of ours inherits label and shim.

use super::fault::Fault;
use crate::app::App;
use crate::domain::{Convention, RuntimeRef};
use crate::runtime::Family;

/// What functions of a runtime run in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Environment {
    pub(super) runtime: RuntimeRef,
    /// The user's own image; `None`: the runtime's.
    pub(super) image: Option<String>,
}

/// The label that names the family whose shim an image carries.
const LABEL: &str = "hob.runtime";

/// What an image's name means.
///
/// # Errors
/// 400 that says what to do when it means nothing, and what the engine says.
pub(super) async fn resolve(app: &App, image: &str) -> Result<Environment, Fault> {
    if let Some(runtime) = of_a_family(app, image) {
        return Ok(Environment { runtime, image: None });
    }
    let labels = app.image_labels(image).await?;
    let family = labels.as_ref().and_then(|labels| labels.get(LABEL));
    match family.and_then(|family| known(app, family)) {
        Some(runtime) => Ok(Environment {
            runtime,
            image: Some(image.to_owned()),
        }),
        None => Err(Fault::bad(refusal(app, image, labels.is_some()))),
    }
}

/// The runtime that an image of ours is for.
pub(super) fn of_a_family(app: &App, image: &str) -> Option<RuntimeRef> {
    known(app, &family_named_by(image)?)
}

/// The name under which a family's own image is offered.
pub(super) fn image_of(family: &Family) -> String {
    format!("hob/{}", family.manifest.name)
}

/// `FAMILY` or `FAMILY:VERSION`, where the name has one of our forms. The tags of upstream's images are no versions of
/// a language.
fn family_named_by(image: &str) -> Option<String> {
    let image = image.strip_prefix("docker.io/").unwrap_or(image);
    if let Some(ours) = image.strip_prefix("hob/") {
        return Some(ours.strip_suffix(":latest").unwrap_or(ours).to_owned());
    }
    let upstreams = image.strip_prefix("openstackqinling/")?;
    let name = upstreams.split(':').next().unwrap_or(upstreams);
    name.strip_suffix("-runtime").map(str::to_owned)
}

fn known(app: &App, asked: &str) -> Option<RuntimeRef> {
    let (family, runtime) = app.runtimes().resolve(asked).ok()?;
    let callable = !family.manifest.bring_image && family.conventions.contains(&Convention::Kwargs);
    callable.then_some(runtime)
}

fn refusal(app: &App, image: &str, is_here: bool) -> String {
    let ours = app.runtimes().families().iter().map(image_of).collect::<Vec<_>>();
    let ours = ours.join(", ");
    if is_here {
        return format!(
            "Image {image} carries no shim: build it on one of {ours} and keep the label {LABEL}, or use one of them."
        );
    }
    format!("Image {image} is not on this machine: build or pull it first, or use one of {ours}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_ours_and_of_upstream_name_a_family() {
        for (image, family) in [
            ("hob/x", Some("x")),
            ("hob/x:1.2", Some("x:1.2")),
            ("hob/x:latest", Some("x")),
            ("docker.io/openstackqinling/x3-runtime:0.0.5", Some("x3")),
            ("openstackqinling/x-runtime", Some("x")),
            ("openstackqinling/sidecar:0.0.2", None),
            ("somebody/x-runtime", None),
            ("hobby/x", None),
        ] {
            assert_eq!(family_named_by(image).as_deref(), family, "{image}");
        }
    }
}
