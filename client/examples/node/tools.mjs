// Lets the model call a function of ours until it answers: node tools.mjs [QUESTION]
import { collect } from './collector.mjs';
import { ask, deadline, printEnd, question, run } from './common.mjs';

const MAX_ROUNDS = 5;
const GET_WEATHER = {
  name: 'get_weather',
  description: 'The weather in a city.',
  parameters_json: '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}',
};
const CELSIUS = new Map([['Paris', 21], ['Oslo', 9]]);

function getWeather(argumentsJson) {
  const { city } = JSON.parse(argumentsJson);
  if (!CELSIUS.has(city)) throw new Error('no such city');
  return JSON.stringify({ celsius: CELSIUS.get(city) });
}

// A tool that fails is a result too: the model reads it and goes another way.
function callTool(call) {
  const result = { tool_call_id: call.id, is_error: false };
  try {
    if (call.name !== 'get_weather') throw new Error('no such tool');
    result.text = getWeather(call.arguments_json);
  } catch (error) {
    result.text = error.message;
    result.is_error = true;
  }
  console.log(`tool ${call.name} ${call.arguments_json} -> ${result.is_error ? 'error: ' : ''}${result.text}`);
  return result;
}

await run(async (client) => {
  const request = ask(question('What is the weather in Paris?'), { tools: [GET_WEATHER] });
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const answer = await collect(client.StreamChat(request, { deadline: deadline() }));
    const message = answer.message();
    // Whole, with its reasoning and states: the provider wants them back.
    if (message.parts.length > 0) request.messages.push(message);
    const calls = message.parts.filter((part) => part.tool_call);
    if (calls.length === 0) {
      console.log(answer.text());
      return printEnd(answer.end, answer.text());
    }
    request.messages.push({ role: 'ROLE_TOOL', parts: calls.map((part) => ({ tool_result: callTool(part.tool_call) })) });
  }
  throw new Error(`no answer after ${MAX_ROUNDS} rounds of tools`);
});
