#!/usr/bin/env python3
"""The real clients against a running r1 serve: clients.py URL MODEL. One line for each client; exits with 1 if one
fails. A client that is not installed is said and skipped."""
import json
import math
import sys

url, model = sys.argv[1], sys.argv[2]
question = [{"role": "user", "content": "Once upon a time"}]
schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}, "n": {"type": "integer", "minimum": 1,
          "maximum": 40}}, "required": ["colour", "n"], "additionalProperties": False}
parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def check_schema(text):
    value = json.loads(text)
    assert value["colour"] in ("red", "blue") and 1 <= value["n"] <= 40 and len(value) == 2, text


def check_unit(vector):
    assert len(vector) > 8 and abs(math.sqrt(sum(x * x for x in vector)) - 1) < 1e-4, vector[:4]


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
        client.chat.completions.create(**ask, tools=[{"type": "function", "function": {
            "name": "weather", "parameters": parameters}}])
        raise AssertionError("no error")
    except openai.BadRequestError as e:
        assert "does not support tools" in e.body["message"], e
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
    try:
        client.messages.create(**{**ask, "max_tokens": 0})
        raise AssertionError("no error")
    except anthropic.BadRequestError as e:
        assert "max_tokens" in str(e)


failed = False
for name, check in (("openai", openai_client), ("ollama", ollama_client), ("anthropic", anthropic_client)):
    try:
        check()
        print(name, "passed")
    except ModuleNotFoundError as e:
        print(name, "skipped:", e)
    except Exception as e:
        failed = True
        print(name, "FAILED:", type(e).__name__, e)
sys.exit(failed)
