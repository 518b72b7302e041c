/**
 * Loaded into a service with `node --import`: names every point at which the process changes something outside itself, and
 * kills it at one of them, or before and after it reads what it will write. New statements and topics are found automatically; the product does not know this file.
 *
 * KILL_LIST=<file>: receives a line each time a point is reached.
 * KILL_AT=<before|after>:<hit>:<point>: `before` the request is sent, or `after` its answer has arrived and before it is read.
 */
import { appendFileSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';

const load = createRequire(import.meta.url);
const { KILL_LIST, KILL_AT, TOPIC_PREFIX = '' } = process.env;
const [, when, hit, target] = /^(before|after):(\d+):(.*)$/s.exec(KILL_AT ?? '') ?? [];
let hits = 0;

/** @returns what to do when the answer has arrived */
function pass(point) {
  if (KILL_LIST !== undefined) appendFileSync(KILL_LIST, `${point}\n`);
  if (point !== target || ++hits !== Number(hit)) return () => undefined;
  if (when === 'before') end();
  return end;
}

function end() {
  process.kill(process.pid, 'SIGKILL');
}

/** A name without the parts that differ from run to run. */
function plain(name) {
  return name.replace(TOPIC_PREFIX, '').replace(/^(replies|follow)\..*$/, '$1');
}

/** Statements that decide what the process writes outside of the database. */
const READS = /^log-signer\.head$/;
const WRITES = /\b(INSERT|UPDATE|DELETE|CREATE|ALTER|COMMIT)\b/;

function nameOf({ name, text }, client) {
  if (name) return name;
  const words = text.match(/[A-Za-z_."]+/g) ?? [];
  if (words[0] === 'COMMIT') return `COMMIT of ${client.lastPoint ?? 'nothing'}`;
  return words.slice(0, 4).join(' ');
}

/** Writing statements: prepared ones by their name, others by their first words. */
const { Client } = load('pg');
const query = Client.prototype.query;
Client.prototype.query = function (config, values, callback) {
  const statement = typeof config === 'string' ? { text: config } : config;
  const { text } = statement;
  if (typeof text !== 'string' || !(WRITES.test(text) || READS.test(statement.name)))
    return query.call(this, config, values, callback);
  const point = `sql ${nameOf(statement, this)}`;
  if (!point.startsWith('sql COMMIT')) this.lastPoint = point.slice(4);
  const answered = pass(point);
  const wrapped = (done) => (error, result) => {
    if (!error) answered();
    done(error, result);
  };
  if (typeof values === 'function') return query.call(this, config, wrapped(values));
  if (typeof callback === 'function') return query.call(this, config, values, wrapped(callback));
  if (typeof config.callback === 'function') {
    config.callback = wrapped(config.callback);
    return query.call(this, config, values);
  }
  const answer = query.call(this, config, values);
  if (typeof answer?.then !== 'function') return answer;
  return answer.then((result) => {
    answered();
    return result;
  });
};

/** Requests that change the state of the cluster. */
const { prototype } = load('kafkajs/src/broker/index.js');
const REQUESTS = {
  produce: ({ topicData }) => topicData.map(({ topic }) => `publish ${plain(topic)}`),
  offsetCommit: ({ groupId }) => [`acknowledge ${plain(groupId)}`],
  joinGroup: ({ groupId }) => [`join ${plain(groupId)}`],
  leaveGroup: ({ groupId }) => [`leave ${plain(groupId)}`],
  createTopics: ({ topics }) => topics.map(({ topic }) => `create ${plain(topic)}`),
  deleteTopics: ({ topics }) => [...new Set(topics.map((topic) => `delete ${plain(topic)}`))],
};
for (const [request, pointsOf] of Object.entries(REQUESTS)) {
  const original = prototype[request];
  if (typeof original !== 'function') throw new Error(`kafkajs has no ${request} any more`);
  prototype[request] = async function (...args) {
    const answered = pointsOf(args[0]).map(pass);
    const answer = await original.apply(this, args);
    for (const one of answered) one();
    return answer;
  };
}

/** The state of the log signer is replaced by a rename. */
const files = load('fs/promises');
const rename = files.rename;
files.rename = async function (from, to) {
  const answered = pass(`replace ${basename(to)}`);
  await rename.call(this, from, to);
  answered();
};
syncBuiltinESMExports();
