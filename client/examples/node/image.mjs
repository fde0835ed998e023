// Asks about an image: node image.mjs FILE [QUESTION]
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { collect } from './collector.mjs';
import { deadline, model, printEnd, question, run, show } from './common.mjs';

const TYPES = { '.gif': 'image/gif', '.jpeg': 'image/jpeg', '.jpg': 'image/jpeg', '.webp': 'image/webp' };

await run(async (client) => {
  const file = process.argv[2];
  if (file === undefined) throw new Error('usage: image.mjs FILE [QUESTION]');
  // An image on the web: { url: 'https://...' } in place of data.
  const media = { mime_type: TYPES[path.extname(file)] ?? 'image/png', data: await readFile(file) };
  const message = { role: 'ROLE_USER', parts: [{ text: question('What is in this image?', 1) }, { media }] };
  const answer = await collect(client.StreamChat({ model, messages: [message] }, { deadline: deadline() }), show);
  console.log();
  printEnd(answer.end, answer.text());
});
