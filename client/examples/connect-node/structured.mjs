// Asks for JSON that follows a schema, whole: node structured.mjs [QUESTION]
import { textOf } from './collector.mjs';
import { ask, printEnd, question, run, timeoutMs } from './common.mjs';
import { FinishReason } from './gen/sluice/v1/gateway_pb.js';

const SCHEMA = {
  name: 'weather',
  strict: true,
  schemaJson:
    '{"type":"object","properties":{"city":{"type":"string"},"celsius":{"type":"integer"}},' +
    '"required":["city","celsius"],"additionalProperties":false}',
};

await run(async (client) => {
  const responseFormat = { kind: { case: 'jsonSchema', value: SCHEMA } };
  // chat: half a JSON document is of no use to a program.
  const response = await client.chat(ask(question('How warm is it in Paris?'), { responseFormat }), { timeoutMs });
  const [choice] = response.choices;
  const refusal = choice.message.parts.map(({ kind }) => (kind.case === 'refusal' ? kind.value.text : '')).join('');
  if (refusal) throw new Error(`the model refused: ${refusal}`);
  if (choice.finishReason !== FinishReason.STOP) {
    throw new Error(`not whole: FINISH_REASON_${FinishReason[choice.finishReason]}`);
  }
  const text = textOf(choice.message);
  const weather = JSON.parse(text);
  console.log(`city: ${weather.city}`);
  console.log(`celsius: ${weather.celsius}`);
  printEnd(response.end, text);
});
