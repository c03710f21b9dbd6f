"""The flow of the released Python SDK: a function made, uploaded, deployed, called, put on a schedule and found again."""

import io
import os
import zipfile

import requests
from scaleway import Client, ScalewayException
from scaleway.function.v1beta1 import FunctionPrivacy, FunctionV1Beta1API, Secret

URL = os.environ["HOB_URL"]
CODE = "import os\n\ndef handle(event, context):\n    return {'body': os.environ['S'], 'statusCode': 202}\n"


def packed():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("handler.py", CODE)
    return file.getvalue()


def main():
    client = Client(access_key="SCWXXXXXXXXXXXXXXXXX", secret_key="11111111-1111-1111-1111-111111111111",
                    default_project_id="22222222-2222-2222-2222-222222222222", default_region="fr-par", api_url=URL)
    api = FunctionV1Beta1API(client)
    namespace = api.wait_for_namespace(namespace_id=api.create_namespace(name="pyns").id)
    runtimes = {runtime.name: str(runtime.status) for runtime in api.list_function_runtimes().runtimes}
    assert runtimes["python311"] == "available" and runtimes["python39"] == "deprecated", runtimes
    function = api.create_function(namespace_id=namespace.id, name="f", runtime="python311", handler="handler.handle",
                                   timeout="10s", privacy=FunctionPrivacy.PUBLIC, memory_limit=256,
                                   secret_environment_variables=[Secret(key="S", value="hush")])
    data = packed()
    upload = api.get_function_upload_url(function_id=function.id, content_length=len(data))
    headers = {name: values[0] for name, values in upload.headers.items()}
    requests.put(upload.url, data=data, headers=headers, timeout=30).raise_for_status()
    api.deploy_function(function_id=function.id)
    function = api.wait_for_function(function_id=function.id)
    assert str(function.status) == "ready", function
    answer = requests.get("http://" + function.domain_name, timeout=30)
    assert (answer.status_code, answer.text) == (202, "hush"), answer.text

    cron = api.create_cron(function_id=function.id, schedule="*/5 * * * *", args={"k": "v"}, name="c1")
    assert api.get_cron(cron_id=cron.id).args == {"k": "v"}
    assert [one.id for one in api.list_functions_all(namespace_id=namespace.id)] == [function.id]
    assert [one.id for one in api.list_namespaces_all(name="pyns")] == [namespace.id]
    token = api.create_token(function_id=function.id, description="d")
    assert token.token.count(".") == 2 and api.get_token(token_id=token.id).token == "<hidden>"

    api.delete_namespace(namespace_id=namespace.id)
    try:
        api.get_function(function_id=function.id)
    except ScalewayException as error:
        assert error.status_code == 404, error
    else:
        raise AssertionError("the function is still there")


main()
