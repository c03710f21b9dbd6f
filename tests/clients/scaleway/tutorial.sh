#!/bin/bash
# The tutorial of the API's reference, line by line, for a function in each language and then for a container. Only the address differs,
# and what a reader copies by hand is read with jq's place in Python. $API is the daemon, $MYIMAGE an image with a server.
set -euo pipefail
export TOKEN="secret-key"
REGION="fr-par"
ORGANIZATION_ID="my-organization"
read_key() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

NAMESPACE_ID=$(curl -sS -X POST "$API/functions/v1alpha2/regions/$REGION/namespaces" -H "accept: application/json" -H "X-Auth-Token: $TOKEN" -H "Content-Type: application/json" \
-d "{\"name\": \"your-namespace-name\", \"organization_id\": \"$ORGANIZATION_ID\", \"environment_variables\": {\"YOUR_VARIABLE\": \"content\"}}" | read_key id)

# wait_for KIND ID: asks until it is ready, and says where it is called.
wait_for() {
  local answer
  for _ in $(seq 900); do
    answer=$(curl -sS -X GET -H "X-Auth-Token: $TOKEN" "$API/functions/v1alpha2/regions/$REGION/$1/$2")
    case $(read_key status <<< "$answer") in
      ready) read_key endpoint <<< "$answer"; return ;;
      error) echo "$answer" >&2; return 1 ;;
    esac
    sleep 0.2
  done
  echo "$answer" >&2
  return 1
}

# try_function NAME RUNTIME HANDLER FILE: from the file on to an answer. Leaves FUNCTION_ENDPOINT.
try_function() {
FUNCTION_ID=$(curl -sS -X POST \
-H "X-Auth-Token: $TOKEN" \
"$API/functions/v1alpha2/regions/$REGION/functions" \
-d "{\"name\": \"$1\", \"namespace_id\": \"$NAMESPACE_ID\", \"memory_limit\": 128, \"min_scale\": 0, \"max_scale\": 20, \"runtime\": \"$2\", \"handler\": \"$3\"}" | read_key id)
export FUNCTION_ARCHIVE="function-$FUNCTION_ID.zip"
python3 -m zipfile -c $FUNCTION_ARCHIVE $4
ARCHIVE_SIZE=$(stat -c%s $FUNCTION_ARCHIVE)
ANSWER=$(curl -sS -X GET -H "X-Auth-Token: ${TOKEN}" "$API/functions/v1alpha2/regions/$REGION/functions/$FUNCTION_ID/upload-url?content_length=$ARCHIVE_SIZE")
# The text between the quotes as it stands in the JSON, as the tutorial has its readers paste it.
URL=$(sed -E 's/.*"url":"([^"]*)".*/\1/' <<< "$ANSWER")
export FUNCTION_ARCHIVE_URL=$(echo -n "$URL")
curl -sS --fail -H "Content-Type: application/octet-stream" --upload-file $FUNCTION_ARCHIVE -H "Content-Length: $ARCHIVE_SIZE" $FUNCTION_ARCHIVE_URL
curl -sS -X POST -H "X-Auth-Token: $TOKEN" "$API/functions/v1alpha2/regions/$REGION/functions/$FUNCTION_ID/deploy" -d "{}" > /dev/null
FUNCTION_ENDPOINT=$(wait_for functions $FUNCTION_ID)
curl -sS -i -X GET "$FUNCTION_ENDPOINT" | tr -d '\r' > answer
grep -qi '^my_header: its content$' answer
grep -qF '{"message":"Hello, World"}' answer
echo "$2 answered"
}

cat > handler.js <<'CODE'
module.exports.myHandler = async (event, context, callback) => {
const response = {
body: JSON.stringify({message: "Hello, World"}),
statusCode: 200,
headers: {
MY_HEADER: "its content",
},
}
return response
}
CODE
try_function function-name node10 handler.myHandler handler.js

mkdir src
cat > src/handler.py <<'CODE'
def my_handler(event, context):
    return {
        "statusCode": 200,
        "headers": {"MY_HEADER": "its content"},
        "body": '{"message":"Hello, World"}',
    }
CODE
try_function python-name python3 src/handler.my_handler src

# The package `lambda` comes from the daemon: it is what programs of this API are written with.
cat > handler.go <<'CODE'
package main

import (
	"github.com/scaleway/scaleway-functions-go/events"
	"github.com/scaleway/scaleway-functions-go/lambda"
)

func Handler(req events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	return events.APIGatewayProxyResponse{
		StatusCode: 200,
		Headers:    map[string]string{"MY_HEADER": "its content"},
		Body:       `{"message":"Hello, World"}`,
	}, nil
}

func main() {
	lambda.Start(Handler)
}
CODE
try_function go-name golang . handler.go

CONTAINER_NAME="container-name"
CONTAINER_ID=$(curl -sS -X POST \
-H "X-Auth-Token: $TOKEN" \
"$API/functions/v1alpha2/regions/$REGION/containers" \
-d "{\"name\": \"container-name\", \"namespace_id\": \"$NAMESPACE_ID\", \"memory_limit\": 128, \"min_scale\": 0, \"max_scale\": 20}" | read_key id)
REGISTRY_NAMESPACE_ID=$(curl -sS -X GET -H "X-Auth-Token: ${TOKEN}" "$API/functions/v1alpha2/regions/$REGION/namespaces/$NAMESPACE_ID" | read_key registry_namespace_id)
REGISTRY_ENDPOINT=$(curl -sS -X GET -H "X-Auth-Token: ${TOKEN}" "$API/registry/v1beta2/regions/$REGION/namespaces/$REGISTRY_NAMESPACE_ID" | read_key endpoint)
export DOCKER_CONFIG=$PWD/docker
trap 'docker rmi --no-prune $REGISTRY_ENDPOINT/${CONTAINER_NAME}:latest > /dev/null' EXIT
docker login $REGISTRY_ENDPOINT -u userdoesnotmatter -p $TOKEN
docker tag "$MYIMAGE" $REGISTRY_ENDPOINT/${CONTAINER_NAME}:latest
docker push $REGISTRY_ENDPOINT/${CONTAINER_NAME}:latest
curl -sS -X POST -H "X-Auth-Token: $TOKEN" "$API/functions/v1alpha2/regions/$REGION/containers/$CONTAINER_ID/deploy" -d "{}" > /dev/null
CONTAINER_ENDPOINT=$(wait_for containers $CONTAINER_ID)
curl -sS -X GET "$CONTAINER_ENDPOINT" > answer
grep -qF '"user": 1000, "variable": "content", "public": "true", "path": "/"' answer

curl -s -H "X-Auth-Token: $TOKEN" -X DELETE "$API/functions/v1alpha2/regions/$REGION/namespaces/$NAMESPACE_ID" | grep -q '"deleting"'
test "$(curl -s -o /dev/null -w '%{http_code}' "$FUNCTION_ENDPOINT")" = 404
