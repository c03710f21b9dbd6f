//! The shape of a function's configuration: the contract's sections 10.1 to 10.4 as data.
//!
//! What has no effect here is kept as it came and shown again: clients read a function, change it and send it back.

use super::schema::Kind::{Any, Flag, Integer, Object, ObjectMap, Objects, Text, TextMap, Texts};
use super::schema::{Field, always, filled, given};

/// A function: what is sent, without the status.
pub(super) const FUNCTION: [Field; 2] = [always("metadata", Object(&METADATA)), always("spec", Object(&SPEC))];

/// Of functions and most other things.
pub(super) const METADATA: [Field; 5] = [
    filled("name", Text),
    filled("namespace", Text),
    filled("labels", TextMap),
    filled("annotations", TextMap),
    filled("resourceVersion", Text),
];

const SPEC: [Field; 50] = [
    filled("description", Text),
    filled("disable", Flag),
    filled("publish", Flag),
    filled("handler", Text),
    filled("runtime", Text),
    filled("env", Objects(&ENV)),
    filled("envFrom", Any),
    always("resources", Object(&RESOURCES)),
    filled("image", Text),
    filled("imageHash", Text),
    given("replicas", Integer),
    given("minReplicas", Integer),
    given("maxReplicas", Integer),
    filled("targetCPU", Integer),
    filled("dataBindings", Any),
    filled("dealerURI", Text),
    filled("imagePullSecrets", Text),
    filled("imagePullPolicy", Text),
    filled("serviceType", Text),
    filled("serviceAccount", Text),
    filled("affinity", Any),
    filled("nodeSelector", TextMap),
    filled("nodeName", Text),
    filled("tolerations", Any),
    filled("priorityClassName", Text),
    filled("preemptionPolicy", Text),
    filled("preemptionMode", Text),
    filled("deploymentStrategy", Any),
    filled("hostIPC", Flag),
    filled("customScalingMetricSpecs", Any),
    filled("autoScaleMetrics", Any),
    filled("scaleToZero", Any),
    filled("waitReadinessTimeoutBeforeFailure", Flag),
    filled("sidecars", Any),
    filled("initContainers", Any),
    filled("disableSensitiveFieldsMasking", Flag),
    filled("triggers", ObjectMap(&TRIGGER)),
    filled("volumes", Objects(&VOLUME)),
    filled("version", Integer),
    filled("alias", Text),
    always("build", Object(&BUILD)),
    filled("runRegistry", Text),
    filled("runtimeAttributes", Any),
    filled("loggerSinks", Objects(&SINK)),
    always("platform", Object(&PLATFORM)),
    filled("readinessTimeoutSeconds", Integer),
    given("securityContext", Any),
    filled("devices", Texts),
    given("disableDefaultHTTPTrigger", Flag),
    always("eventTimeout", Text),
];

const ENV: [Field; 3] = [filled("name", Text), filled("value", Text), filled("valueFrom", Any)];

/// Amounts are texts as in `500m`, or numbers.
const RESOURCES: [Field; 2] = [filled("requests", Any), filled("limits", Any)];

const VOLUME: [Field; 2] = [always("volume", Any), always("volumeMount", Any)];

const SINK: [Field; 2] = [filled("level", Text), filled("sink", Text)];

const PLATFORM: [Field; 1] = [filled("attributes", Any)];

const TRIGGER: [Field; 24] = [
    always("class", Text),
    always("kind", Text),
    always("name", Text),
    filled("disabled", Flag),
    filled("numWorkers", Integer),
    filled("maxWorkers", Integer),
    filled("url", Text),
    filled("paths", Texts),
    filled("username", Text),
    filled("password", Text),
    filled("secret", Text),
    filled("partitions", Any),
    filled("annotations", TextMap),
    given("workerAvailabilityTimeoutMilliseconds", Integer),
    filled("workerTerminationTimeout", Text),
    filled("workerAllocatorName", Text),
    filled("explicitAckMode", Text),
    filled("waitExplicitAckDuringRebalanceTimeout", Text),
    filled("batch", Object(&BATCH)),
    filled("total_tasks", Integer),
    filled("max_task_allocation", Integer),
    filled("mode", Text),
    filled("async", Any),
    filled("attributes", Any),
];

const BATCH: [Field; 3] = [
    filled("mode", Text),
    filled("batchSize", Integer),
    filled("timeout", Text),
];

const BUILD: [Field; 27] = [
    filled("path", Text),
    filled("functionSourceCode", Text),
    filled("functionConfigPath", Text),
    filled("tempDir", Text),
    filled("registry", Text),
    filled("baseImageRegistry", Text),
    filled("image", Text),
    filled("noBaseImagesPull", Flag),
    filled("noCache", Flag),
    filled("noCleanup", Flag),
    filled("baseImage", Text),
    filled("commands", Texts),
    filled("directives", Object(&DIRECTIVES)),
    filled("scriptPaths", Texts),
    filled("addedPaths", TextMap),
    filled("dependencies", Texts),
    filled("onbuildImage", Text),
    filled("offline", Flag),
    filled("runtimeAttributes", Any),
    filled("codeEntryType", Text),
    filled("codeEntryAttributes", Any),
    filled("timestamp", Integer),
    given("buildTimeoutSeconds", Integer),
    filled("mode", Text),
    filled("args", TextMap),
    filled("flags", Texts),
    filled("builderServiceAccount", Text),
];

const DIRECTIVES: [Field; 2] = [
    filled("preCopy", Objects(&DIRECTIVE)),
    filled("postCopy", Objects(&DIRECTIVE)),
];

const DIRECTIVE: [Field; 2] = [filled("kind", Text), filled("value", Text)];
