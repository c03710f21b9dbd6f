"""Answers HTTP: method, path, query and headers in, status, headers and body out."""

import json


def handle(event, context):
    query = event.get("queryStringParameters") or {}
    if event["httpMethod"] == "POST":
        return answer(201, {"received": event.get("body", "")})
    return answer(200, {"path": event["path"], "query": query})


def answer(status, value):
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(value),
    }
