#!/usr/bin/env python3
"""The real clients against a running r1 serve: clients.py URL MODEL [MODEL_WITH_TOOLS]. One line for each client; exits
with 1 if one fails. A client that is not installed is said and skipped."""
import importlib.metadata
import json
import math
import sys

url, model = sys.argv[1], sys.argv[2]
toolbox = sys.argv[3] if len(sys.argv) > 3 else None
question = [{"role": "user", "content": "Once upon a time"}]
schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}, "n": {"type": "integer", "minimum": 1,
          "maximum": 40}}, "required": ["colour", "n"], "additionalProperties": False}
parameters = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}, "days": {"type": "integer",
              "minimum": 1, "maximum": 9}}, "required": ["city", "days"], "additionalProperties": False}
weather = {"type": "function", "function": {"name": "weather", "description": "of a city", "parameters": parameters}}


def check_schema(text):
    value = json.loads(text)
    assert value["colour"] in ("red", "blue") and 1 <= value["n"] <= 40 and len(value) == 2, text


def check_call(name, arguments):
    assert name == "weather" and arguments["city"] in ("Paris", "Rome") and 1 <= arguments["days"] <= 9, arguments


def check_unit(vector):
    assert len(vector) > 8 and abs(math.sqrt(sum(x * x for x in vector)) - 1) < 1e-4, vector[:4]


def openai_tools(client):
    ask = dict(model=toolbox, messages=question, tools=[weather], tool_choice="required", reasoning_effort="none",
               max_tokens=300, seed=5)
    message = client.chat.completions.create(**ask).choices[0].message
    call = message.tool_calls[0]
    check_call(call.function.name, json.loads(call.function.arguments))
    parts = [p.choices[0].delta.tool_calls[0] for p in client.chat.completions.create(**ask, stream=True)
             if p.choices and p.choices[0].delta.tool_calls]
    assert parts[0].function.name == "weather"
    assert "".join(p.function.arguments or "" for p in parts) == call.function.arguments
    more = question + [message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    after = client.chat.completions.create(model=toolbox, messages=more, tools=[weather], max_tokens=3)
    assert after.usage.prompt_tokens > 100 and after.usage.completion_tokens == 3
    response = client.responses.create(model=toolbox, input="Rome?", tool_choice="required", max_output_tokens=300,
                                       reasoning={"effort": "none"}, tools=[{"type": "function", **weather["function"]}])
    call = next(item for item in response.output if item.type == "function_call")
    check_call(call.name, json.loads(call.arguments))


def openai_client():
    import openai
    client = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0)
    assert model in [m.id for m in client.models.list()]
    ask = dict(model=model, messages=question, max_tokens=12, seed=7)
    whole = client.chat.completions.create(**ask, logprobs=True, top_logprobs=2, n=2)
    text = whole.choices[0].message.content
    assert text and whole.usage.completion_tokens == 24, whole
    assert len(whole.choices[0].logprobs.content) == 12
    parts = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    assert "".join(p.choices[0].delta.content or "" for p in parts if p.choices) == text
    assert parts[-1].usage.completion_tokens == 12
    done = client.completions.create(model=model, prompt="Once", max_tokens=5, logprobs=1)
    assert done.choices[0].text and len(done.choices[0].logprobs.tokens) == 5
    for change, kind in (({"temperature": 9}, openai.BadRequestError), ({"model": "none"}, openai.NotFoundError)):
        try:
            client.chat.completions.create(**{**ask, **change})
            raise AssertionError(change)
        except kind as e:
            assert e.body["message"], e
    form = {"type": "json_schema", "json_schema": {"name": "choice", "strict": True, "schema": schema}}
    for _ in range(3):
        said = client.chat.completions.create(model=model, messages=question, temperature=1, response_format=form)
        check_schema(said.choices[0].message.content)
    word = client.chat.completions.create(model=model, messages=question, extra_body={
        "response_format": {"type": "grammar", "grammar": 'root ::= ("ab" | "cd"){2}'}})
    assert word.choices[0].message.content in ("abab", "abcd", "cdab", "cdcd"), word
    try:  # this model's template has no place for tools
        client.chat.completions.create(**ask, tools=[weather])
        raise AssertionError("no error")
    except openai.BadRequestError as e:
        assert "does not support tools" in e.body["message"], e
    if toolbox:
        openai_tools(client)
    vectors = client.embeddings.create(model=model, input=["One day", "One night"])  # base64 by default
    assert len(vectors.data) == 2 and vectors.usage.prompt_tokens > 4
    check_unit(vectors.data[1].embedding)
    assert len(client.embeddings.create(model=model, input="One", dimensions=9).data[0].embedding) == 9

    response = client.responses.create(model=model, input="Once upon a time", max_output_tokens=12, temperature=0)
    assert response.status == "incomplete" and response.output_text and response.usage.output_tokens == 12
    with client.responses.stream(model=model, input="Once upon a time", max_output_tokens=12, temperature=0) as stream:
        streamed = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
    assert streamed == response.output_text, streamed
    check_schema(client.responses.create(model=model, input="Once", temperature=1, text={"format": {
        "type": "json_schema", "name": "choice", "schema": schema, "strict": True}}).output_text)
    deepseek = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
    answer = deepseek.chat.completions.create(model="deepseek-reasoner", messages=question, max_tokens=5)
    assert answer.usage.prompt_cache_hit_tokens + answer.usage.prompt_cache_miss_tokens == answer.usage.prompt_tokens


def ollama_client():
    import ollama
    client = ollama.Client(host=url)
    options = {"num_predict": 9, "seed": 7}
    assert model in [m.model for m in client.list().models]
    whole = client.chat(model, messages=question, options=options)
    parts = list(client.chat(model, messages=question, options=options, stream=True))
    assert "".join(p.message.content for p in parts) == whole.message.content != ""
    assert parts[-1].done and parts[-1].done_reason == "length" and parts[-1].eval_count == 9
    assert client.generate(model, prompt="Once", options=options).response
    assert client.show(model).details.format and client.ps().models[0].model == model
    check_schema(client.chat(model, messages=question, format=schema, options={"temperature": 1}).message.content)
    if toolbox:
        said = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "weather", "arguments": {
            "city": "Rome", "days": 2}}}]}
        told = client.chat(toolbox, messages=question + [said, {"role": "tool", "tool_name": "weather", "content": "wet"}],
                           tools=[weather], think=False, options={"num_predict": 3})
        assert told.prompt_eval_count > 100 and told.eval_count == 3
    vectors = client.embed(model, input=["One day", "One night"])
    check_unit(vectors.embeddings[0])
    check_unit(client.embeddings(model, prompt="One day").embedding)
    try:
        client.chat("none", messages=question)
        raise AssertionError("no error")
    except ollama.ResponseError as e:
        assert e.status_code == 404 and "not found" in e.error


def anthropic_client():
    import anthropic
    client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
    ask = dict(model=model, messages=question, max_tokens=10, extra_body={"temperature": 0})
    whole = client.messages.create(**ask)
    assert whole.stop_reason == "max_tokens" and whole.usage.output_tokens == 10, whole
    with client.messages.stream(**ask) as stream:
        assert "".join(stream.text_stream) == whole.content[0].text != ""
        assert stream.get_final_message().stop_reason == "max_tokens"
    assert client.messages.count_tokens(model=model, messages=question).input_tokens > 0
    said = client.messages.create(model=model, messages=question, max_tokens=100,
                                  extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}})
    check_schema(said.content[0].text)
    if toolbox:
        tool = {"name": "weather", "description": "of a city", "input_schema": parameters}
        ask_tool = dict(model=toolbox, messages=question, max_tokens=300, tools=[tool], tool_choice={"type": "any"})
        said = client.messages.create(**ask_tool)
        assert said.stop_reason == "tool_use"
        check_call(said.content[-1].name, said.content[-1].input)
        with client.messages.stream(**ask_tool) as stream:
            used = stream.get_final_message().content[-1]
        check_call(used.name, used.input)
        result = {"type": "tool_result", "tool_use_id": used.id, "content": "sunny"}
        after = client.messages.create(model=toolbox, max_tokens=3, tools=[tool], messages=question + [
            {"role": "assistant", "content": [used]}, {"role": "user", "content": [result]}])
        assert after.usage.output_tokens == 3
    try:
        client.messages.create(**{**ask, "max_tokens": 0})
        raise AssertionError("no error")
    except anthropic.BadRequestError as e:
        assert "max_tokens" in str(e)


failed = False
for name, check in (("openai", openai_client), ("ollama", ollama_client), ("anthropic", anthropic_client)):
    try:
        check()
        print(name, importlib.metadata.version(name), "passed" + (", with tools" if toolbox else ""))
    except ModuleNotFoundError as e:
        print(name, "skipped:", e)
    except Exception as e:
        failed = True
        print(name, "FAILED:", type(e).__name__, e)
sys.exit(failed)
