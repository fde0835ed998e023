// Asks for JSON that follows a schema, whole: node structured.mjs [QUESTION]
import { promisify } from 'node:util';
import { textOf } from './collector.mjs';
import { ask, deadline, printEnd, question, run } from './common.mjs';

const SCHEMA = {
  name: 'weather',
  strict: true,
  schema_json:
    '{"type":"object","properties":{"city":{"type":"string"},"celsius":{"type":"integer"}},' +
    '"required":["city","celsius"],"additionalProperties":false}',
};

await run(async (client) => {
  const request = ask(question('How warm is it in Paris?'), { response_format: { json_schema: SCHEMA } });
  // Chat: half a JSON document is of no use to a program.
  const response = await promisify(client.Chat.bind(client))(request, { deadline: deadline() });
  const [choice] = response.choices;
  const refusal = choice.message.parts.map((part) => part.refusal?.text ?? '').join('');
  if (refusal) throw new Error(`the model refused: ${refusal}`);
  if (choice.finish_reason !== 'FINISH_REASON_STOP') throw new Error(`not whole: ${choice.finish_reason}`);
  const text = textOf(choice.message);
  const weather = JSON.parse(text);
  console.log(`city: ${weather.city}`);
  console.log(`celsius: ${weather.celsius}`);
  printEnd(response.end, text);
});
