#!/usr/bin/env node
// The clients of npm against a running r1 serve: clients.mjs URL MODEL, with NODE_PATH or R1_CLIENTS_JS naming the
// folder that has node_modules. One line for each client; exits with 1 if one fails. A client that is not installed is
// said and skipped.
import { strict as assert } from 'node:assert'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [url, model] = process.argv.slice(2)
const require = createRequire(pathToFileURL((process.env.R1_CLIENTS_JS ?? process.cwd()) + '/'))
const load = async (name) => {
  let path
  try {
    path = require.resolve(name)
  } catch (e) {
    throw Object.assign(new Error(name + ' is not installed'), { absent: true, cause: e })
  }
  return import(pathToFileURL(path))
}

const prompt = 'Once upon a time'
const messages = [{ role: 'user', content: prompt }]
const schema = {
  type: 'object',
  properties: { colour: { enum: ['red', 'blue'] }, n: { type: 'integer', minimum: 1, maximum: 40 } },
  required: ['colour', 'n'],
  additionalProperties: false,
}
function checkSchema(value) {
  assert(['red', 'blue'].includes(value.colour) && value.n >= 1 && value.n <= 40, JSON.stringify(value))
}

const clients = {
  async openai() {
    const { default: OpenAI } = await load('openai')
    const client = new OpenAI({ baseURL: url + '/v1', apiKey: 'none', maxRetries: 0 })
    const ask = { model, messages, max_tokens: 12, seed: 7 }
    const whole = await client.chat.completions.create(ask)
    assert(whole.choices[0].message.content && whole.usage.completion_tokens === 12)
    let text = ''
    for await (const chunk of await client.chat.completions.create({ ...ask, stream: true }))
      text += chunk.choices[0]?.delta?.content ?? ''
    assert.equal(text, whole.choices[0].message.content)
    const json = await client.chat.completions.create({
      model, messages, temperature: 1,
      response_format: { type: 'json_schema', json_schema: { name: 'choice', schema, strict: true } },
    })
    checkSchema(JSON.parse(json.choices[0].message.content))
    const response = await client.responses.create({ model, input: prompt, max_output_tokens: 12, temperature: 0 })
    let streamed = ''
    for await (const event of await client.responses.create({
      model, input: prompt, max_output_tokens: 12, temperature: 0, stream: true,
    })) if (event.type === 'response.output_text.delta') streamed += event.delta
    assert.equal(streamed, response.output_text)
    const { data } = await client.embeddings.create({ model, input: ['One day', 'One night'] })
    assert(data.length === 2 && Math.abs(Math.hypot(...data[0].embedding) - 1) < 1e-4)
    await assert.rejects(client.chat.completions.create({ ...ask, temperature: 9 }), { status: 400 })
  },
  async 'ai-sdk openai-compatible'() {
    const { createOpenAICompatible } = await load('@ai-sdk/openai-compatible')
    const { generateText, streamText, embed } = await load('ai')
    const provider = createOpenAICompatible({ name: 'r1', baseURL: url + '/v1', apiKey: 'none' })
    const ask = { model: provider(model), prompt, maxOutputTokens: 12, seed: 7, maxRetries: 0 }
    const whole = await generateText(ask)
    assert(whole.text && whole.usage.outputTokens === 12, JSON.stringify(whole.usage))
    let text = ''
    for await (const part of streamText(ask).textStream) text += part
    assert.equal(text, whole.text)
    const { embedding } = await embed({ model: provider.textEmbeddingModel(model), value: 'One day', maxRetries: 0 })
    assert(Math.abs(Math.hypot(...embedding) - 1) < 1e-4)
  },
  async 'ai-sdk openai'() {
    const { createOpenAI } = await load('@ai-sdk/openai')
    const { generateText, streamText, generateObject, jsonSchema } = await load('ai')
    const provider = createOpenAI({ baseURL: url + '/v1', apiKey: 'none' })
    const ask = { model: provider.responses(model), prompt, maxOutputTokens: 12, temperature: 0, maxRetries: 0 }
    const whole = await generateText(ask)
    let text = ''
    for await (const part of streamText(ask).textStream) text += part
    assert(whole.text && text === whole.text, `${whole.text} / ${text}`)
    for (const way of [provider.responses(model), provider.chat(model)]) {
      const { object } = await generateObject({ model: way, prompt, schema: jsonSchema(schema), temperature: 1, maxRetries: 0 })
      checkSchema(object)
    }
  },
}

let failed = false
for (const [name, check] of Object.entries(clients)) {
  try {
    await check()
    console.log(name, 'passed')
  } catch (e) {
    if (!e.absent) failed = true
    console.log(name, e.absent ? 'skipped:' : 'FAILED:', e.absent ? e.message : e.stack)
  }
}
process.exit(failed ? 1 : 0)
