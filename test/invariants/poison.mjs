/** Loaded into a service with `node --import`: reading a text with POISON in it ends the process, as a crash does. */
const { POISON } = process.env;
const { parse } = JSON;

JSON.parse = (text, reviver) => {
  if (POISON !== undefined && typeof text === 'string' && text.includes(POISON)) process.kill(process.pid, 'SIGKILL');
  return parse(text, reviver);
};
