#!/usr/bin/env node
// The clients of npm against a running r1 serve: clients.mjs URL MODEL [MODEL_WITH_TOOLS], with R1_CLIENTS_JS naming the
// folder that has node_modules. One line for each client; exits with 1 if one fails. A client that is not installed is
// said and skipped.
import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [url, model, toolbox] = process.argv.slice(2)
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

const parameters = {
  type: 'object',
  properties: { city: { enum: ['Paris', 'Rome'] }, days: { type: 'integer', minimum: 1, maximum: 9 } },
  required: ['city', 'days'],
  additionalProperties: false,
}
function checkCall(name, { city, days }) {
  assert(name === 'weather' && ['Paris', 'Rome'].includes(city) && days >= 1 && days <= 9, JSON.stringify({ city, days }))
}
// A tool that is called and answers, and a second step that hears it; the model says noise then.
async function withTools(model, providerOptions) {
  const { generateText, streamText, tool, jsonSchema, stepCountIs } = await load('ai')
  const asked = []
  const tools = {
    weather: tool({
      description: 'of a city', inputSchema: jsonSchema(parameters), execute: (input) => (asked.push(input), 'sunny'),
    }),
  }
  const ask = {
    model, prompt, tools, providerOptions, maxRetries: 0, stopWhen: stepCountIs(2),
    prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? 'required' : 'none' }), maxOutputTokens: 150,
  }
  const { steps } = await generateText(ask)
  assert.equal(steps.length, 2)
  assert.equal(steps[0].finishReason, 'tool-calls')
  checkCall(steps[0].toolCalls[0].toolName, steps[0].toolCalls[0].input)
  assert.equal(steps[0].toolResults[0].output, 'sunny')
  const streamed = streamText(ask)
  await streamed.consumeStream({ onError: (e) => { throw e } })
  checkCall('weather', (await streamed.steps)[0].toolCalls[0].input)
  assert.equal(asked.length, 2)
}

// Of the package that a client's name begins with.
function version(name) {
  const folder = name.includes('ai-sdk') ? '@ai-sdk/' + name.split(' ')[1] : name
  return JSON.parse(readFileSync(`${process.env.R1_CLIENTS_JS ?? process.cwd()}/node_modules/${folder}/package.json`)).version
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
    if (toolbox) {
      const tools = [{ type: 'function', function: { name: 'weather', parameters } }]
      const said = await client.chat.completions.create({
        model: toolbox, messages, tools, tool_choice: 'required', reasoning_effort: 'none', max_tokens: 300,
      })
      const call = said.choices[0].message.tool_calls[0].function
      checkCall(call.name, JSON.parse(call.arguments))
    }
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
    if (toolbox) await withTools(provider(toolbox))
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
    // Responses are not kept, so that their items cannot be referred to.
    if (toolbox)
      for (const way of [provider.responses(toolbox), provider.chat(toolbox)]) await withTools(way, { openai: { store: false } })
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
    console.log(name, version(name), toolbox ? 'passed, with tools' : 'passed')
  } catch (e) {
    if (!e.absent) failed = true
    console.log(name, e.absent ? 'skipped:' : 'FAILED:', e.absent ? e.message : e.stack)
  }
}
process.exit(failed ? 1 : 0)
