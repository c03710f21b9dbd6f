//! Every message of the Qinling contract's error table occurs in a recorded session, word for word.
//!
//! The table is the contract's section 3.2; `…` stands for what differs from case to case. What is not in it: the two
//! messages about a package that is no longer on the disk, which no request brings about (`qinling_functions` takes it
//! away), what every API here answers to a wrong token or method, and upstream's own accidents, which are not copied.

use crate::support::root;
use serde_json::Value;

const MESSAGES: &[&str] = &[
    "Required param is missing. Required: {'image'}",
    "Required param is missing. Required: {'code'}",
    "Required param is missing. Required: {'name', 'function_id'}",
    "Either function_alias or function_id must be provided.",
    "Invalid cpu resource specified. An integer is required.",
    "Invalid memory resource specified. An integer is required.",
    "Invalid timeout resource specified. An integer is required.",
    "cpu resource limitation not within the allowable range: 100 ~ 300(millicpu).",
    "memory resource limitation not within the allowable range: 33554432 ~ 134217728(bytes).",
    "timeout resource limitation not within the allowable range: 1 ~ 300(seconds).",
    "Invalid code source specified, available sources: package, swift, image",
    "\"runtime_id\" must be specified.",
    "Runtime … is not available.",
    "Package md5 mismatch.",
    "Package is not a valid ZIP package.",
    "Both container and object must be provided for swift type function.",
    "Swift object not supported.",
    "Failed to validate object in Swift.",
    "Either container or object must be provided for swift type function update.",
    "The function code type can not be changed.",
    "The image type function code can not be changed.",
    "The function code checksum is not changed.",
    "Invalid input, …",
    "Can not specify version for package type function.",
    "Duplicate entry for function_aliases: ['project_id', 'name']",
    "Duplicate entry for function_aliases: ['project_id', 'function_id', 'function_version']",
    "pattern or first_execution_time must be specified.",
    "Execution time must be at least 1 minute in the future.",
    "pattern must be provided if count is greater than 1.",
    "The specified pattern is not valid: …",
    "Can not update a finished job.",
    "Can not change job type.",
    "Invalid status.",
    "Missing argument: …",
    "Unknown argument: …",
    "Unknown attribute for argument …",
    "Invalid input for field/attribute …",
    "Expected a uuid but received …",
    "Request is not in valid JSON format",
    "Operation not allowed",
    "Function can only be deleted by its owner.",
    "Runtime … is still in use.",
    "Runtime … is still in use by functions.",
    "The function is still associated with running job(s).",
    "The function is still associated with webhook(s).",
    "The function is still associated with function alias(es).",
    "Function versioning only allowed for package type function.",
    "Can not exceed maximum number(10) of versions",
    "Function package not changed since the latest version 1.",
    "The function version is still associated with running job(s).",
    "The function version is still associated with webhook.",
    "The function version is still associated with alias.",
    "Runtime not found [id=…",
    "Function not found [id=…",
    "Execution not found [id=…",
    "Job not found [id=…",
    "Webhook not found [id=…",
    "FunctionAlias not found [name=…",
    "FunctionVersion not found [function_id=…",
    "Runtime not found",
    "Download image function is not allowed.",
];

/// Texts of every `faultstring` that a session expects.
fn recorded() -> Vec<String> {
    let folder = root().join("src/api/qinling/contract");
    let files = std::fs::read_dir(folder).expect("the sessions").flatten();
    let mut texts = Vec::new();
    for file in files {
        let session = std::fs::read(file.path()).expect("a session");
        let session: Value = serde_json::from_slice(&session).expect("JSON");
        let exchanges = session["exchanges"].as_array().into_iter().flatten();
        let faults = exchanges.filter_map(|e| e["response"]["json"]["faultstring"].as_str());
        texts.extend(faults.map(str::to_owned));
    }
    texts
}

fn fits(message: &str, text: &str) -> bool {
    match message.split_once('…') {
        Some((begin, end)) => text.starts_with(begin) && text.ends_with(end),
        None => text == message,
    }
}

#[test]
fn each_message_of_the_error_table_occurs_in_a_session() {
    let recorded = recorded();
    let missing = |message: &&&str| !recorded.iter().any(|text| fits(message, text));
    let missing: Vec<_> = MESSAGES.iter().filter(missing).collect();
    assert!(missing.is_empty(), "in no recorded session: {missing:#?}");
}
