'use strict';

// Finds and loads what an entry names. CommonJS is required, ES modules are imported.

const fs = require('fs');
const { createRequire } = require('module');
const path = require('path');
const { pathToFileURL } = require('url');

const conventions = require('./conventions');
const { loadError } = require('./failures');

const DEFAULT_ENTRIES = { 'event-context': 'handler.handle', 'context-event': 'main:handler' };
const DEFAULT_ENTRY = 'main.main'; // of the others
const DEFAULT_EXPORT = 'handle'; // of an entry that names a file with its extension
const EXTENSIONS = ['.js', '.mjs', '.cjs'];
const NEEDS_IMPORT = new Set(['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE']);
const MISSING = new Set(['MODULE_NOT_FOUND', 'ERR_MODULE_NOT_FOUND']);

/** Loads the code of a load frame and wraps it in its convention: `answer(invoke, body)`. Throws what loading throws. */
async function load(header) {
  const convention = conventions[header.convention];
  if (convention === undefined) {
    throw loadError('Error', `the calling convention \`${header.convention}\` is not known to this runtime; it has: `
      + Object.keys(conventions).sort().join(', '));
  }
  setEnvironment(header.env ?? {});
  process.chdir(header.path);
  const entry = header.entry || DEFAULT_ENTRIES[header.convention] || DEFAULT_ENTRY;
  const { file, name } = resolve(header.path, entry);
  process.argv = [process.execPath, file];
  const exported = await loadFile(file);
  return convention(pick(exported, name, path.relative(header.path, file)), { ...header.function, entry }, exported);
}

/** The root is read-only and the user has no home: /tmp is the one place to write to. */
function setEnvironment(env) {
  Object.assign(process.env, { HOME: '/tmp', TMPDIR: '/tmp' }, env);
}

/** The file and the export that an entry names: FILE.EXPORT, the file without its extension. */
function resolve(root, entry) {
  const split = /^(.+)[.:]([^.:/]+)$/.exec(entry);
  if (!split) {
    throw loadError('Error', `the entry \`${entry}\` is not FILE.EXPORT; the usual one is \`${DEFAULT_ENTRY}\``);
  }
  if (EXTENSIONS.includes(`.${split[2]}`) && isFile(path.join(root, entry))) {
    return { file: path.join(root, entry), name: DEFAULT_EXPORT };
  }
  const base = path.join(root, split[1]);
  const file = ['', ...EXTENSIONS].map((extension) => base + extension).find(isFile);
  if (file === undefined) throw loadError('Error', missingEntry(root, entry, split[1]));
  return { file, name: split[2] };
}

function isFile(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

function missingEntry(root, entry, base) {
  const found = fs.readdirSync(root).filter((name) => EXTENSIONS.includes(path.extname(name))).sort();
  const there = found.length > 0 ? `are: ${found.slice(0, 10).join(', ')}` : 'is no JavaScript file at all';
  return `Cannot find module '${base}'; the entry \`${entry}\` needs a file ${base}.js, .mjs or .cjs,`
    + ` and at the top of the code there ${there}`;
}

/** What a file exports. */
async function loadFile(file) {
  const extension = path.extname(file);
  if (extension === '.mjs' || (extension === '.js' && isModulePackage(path.dirname(file)))) return importFile(file);
  try {
    return createRequire(file)(file);
  } catch (error) {
    if (!NEEDS_IMPORT.has(error?.code)) throw error;
    return importFile(file);
  }
}

const importFile = (file) => import(pathToFileURL(file).href);

/** Whether the nearest package.json says "type": "module". */
function isModulePackage(directory) {
  const manifest = path.join(directory, 'package.json');
  if (isFile(manifest)) return JSON.parse(fs.readFileSync(manifest, 'utf8')).type === 'module';
  const parent = path.dirname(directory);
  return parent !== directory && isModulePackage(parent);
}

/** The function of that name, also of a module's default export. */
function pick(exported, name, file) {
  const found = exported?.[name] ?? exported?.default?.[name];
  if (typeof found === 'function') return found;
  if (found !== undefined) {
    throw loadError('TypeError', `\`${name}\` of ${file} is not a function, it is of type ${typeof found}; let the entry name a function`);
  }
  throw loadError('Error', `${file} exports no \`${name}\`; ${offer(exported, file)}`);
}

function offer(exported, file) {
  const all = { ...exported?.default, ...exported };
  const names = Object.keys(all).filter((name) => typeof all[name] === 'function' && name !== 'default').sort();
  if (names.length === 0) return `export it there (exports.NAME = ..., or export function NAME), or let the entry name another file`;
  const base = file.replace(/\.[^./]+$/, '');
  return `export it, or let the entry be one of: ${names.slice(0, 10).map((name) => `${base}.${name}`).join(', ')}`;
}

/** What helps against an error of loading, to be added to its message. */
function hint(error) {
  if (MISSING.has(error?.code)) return '; name it in package.json, or put it beside the code';
  const isModuleSyntax = error instanceof SyntaxError && /import statement outside|Unexpected token 'export'|import\.meta/.test(error.message);
  return isModuleSyntax ? '; say "type": "module" in package.json, or name the file .mjs' : '';
}

module.exports = { hint, load };
