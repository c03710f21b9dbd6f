'use strict';

// The logger of the convention context-event: lines on standard error, and records for the caller when it asks for them.

const { format } = require('util');

const LEVELS = { debug: 0, info: 1, warn: 2, error: 3 };
const HEADER_LIMIT = 4096; // bytes; a longer list is left out altogether

const levelOf = (name) => LEVELS[String(name).toLowerCase()] ?? LEVELS.debug;

class Logger {
  /** `asked` is the level from which on the caller wants the records too; undefined when it wants none. */
  constructor(asked) {
    this._records = asked === undefined ? null : [];
    this._asked = levelOf(asked);
    this._shown = levelOf(process.env.HOB_LOG_LEVEL);
  }

  /** The records as one line of JSON in ASCII, or null. */
  forHeader() {
    if (this._records === null) return null;
    const text = attemptJson(this._records).replace(/[\u007f-\uffff]/g, escape);
    return text.length < HEADER_LIMIT ? text : null;
  }

  _log(level, message, fields) {
    if (LEVELS[level] >= this._shown) process.stderr.write(line(level, message, fields));
    if (this._records !== null && LEVELS[level] >= this._asked) {
      this._records.push({ level, time: Date.now(), name: '', message, ...fields });
    }
  }
}

for (const level of Object.keys(LEVELS)) {
  Logger.prototype[level] = function log(...args) {
    this._log(level, format(...args), {});
  };
  Logger.prototype[`${level}With`] = function logWith(message, fields = {}) {
    this._log(level, String(message), fields);
  };
}

const escape = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** `yy.mm.dd HH:MM:SS.mmm (I) message {fields}` */
function line(level, message, fields) {
  const time = new Date().toISOString().slice(2, -1).replace(/-/g, '.').replace('T', ' ');
  const more = Object.keys(fields).length > 0 ? ` ${attemptJson(fields)}` : '';
  return `${time} (${level[0].toUpperCase()}) ${message}${more}\n`;
}

function attemptJson(fields) {
  try {
    return JSON.stringify(fields);
  } catch (error) {
    return JSON.stringify([{ level: 'error', message: `a field is not JSON: ${error.message}` }]);
  }
}

module.exports = { Logger };
