// Lets the model call a function of ours until it answers: node tools.mjs [QUESTION]
import { create } from '@bufbuild/protobuf';
import { collect } from './collector.mjs';
import { ask, printEnd, question, run, timeoutMs } from './common.mjs';
import { MessageSchema, Role } from './gen/sluice/v1/gateway_pb.js';

const MAX_ROUNDS = 5;
const GET_WEATHER = {
  name: 'get_weather',
  description: 'The weather in a city.',
  parametersJson: '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}',
};
const CELSIUS = new Map([['Paris', 21], ['Oslo', 9]]);

function getWeather(argumentsJson) {
  const { city } = JSON.parse(argumentsJson);
  if (!CELSIUS.has(city)) throw new Error('no such city');
  return JSON.stringify({ celsius: CELSIUS.get(city) });
}

// A tool that fails is a result too: the model reads it and goes another way.
function callTool(call) {
  const result = { toolCallId: call.id, isError: false };
  try {
    if (call.name !== 'get_weather') throw new Error('no such tool');
    result.text = getWeather(call.argumentsJson);
  } catch (error) {
    result.text = error.message;
    result.isError = true;
  }
  console.log(`tool ${call.name} ${call.argumentsJson} -> ${result.isError ? 'error: ' : ''}${result.text}`);
  return result;
}

await run(async (client) => {
  const request = ask(question('What is the weather in Paris?'), { tools: [GET_WEATHER] });
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const answer = await collect(client.streamChat(request, { timeoutMs }));
    const message = answer.message();
    // Whole, with its reasoning and states: the provider wants them back.
    if (message.parts.length > 0) request.messages.push(message);
    const calls = message.parts.filter((part) => part.kind.case === 'toolCall');
    if (calls.length === 0) {
      console.log(answer.text());
      return printEnd(answer.end, answer.text());
    }
    const parts = calls.map(({ kind }) => ({ kind: { case: 'toolResult', value: callTool(kind.value) } }));
    request.messages.push(create(MessageSchema, { role: Role.TOOL, parts }));
  }
  throw new Error(`no answer after ${MAX_ROUNDS} rounds of tools`);
});
