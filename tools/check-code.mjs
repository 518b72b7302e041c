/**
 * Checks the types and the rules of ESLint over one TypeScript program. Both need the type of every expression, so two
 * processes would compute all types twice.
 *
 *     node tools/check-code.mjs [FOLDER]   a folder with a tsconfig.json and an eslint.config.mjs; the repository by default
 */
import { join, resolve } from 'node:path';
import { ESLint } from 'eslint';
import ts from 'typescript';
import { root } from './build.mjs';

const folder = resolve(root, process.argv[2] ?? '.');
const { program, diagnostics } = typeCheck(join(folder, 'tsconfig.json'));
const { text, isClean } = await lint(program);
process.stdout.write(diagnostics + text);
process.exitCode = diagnostics === '' && isClean ? 0 : 1;

/** @returns the program, and what `tsc --noEmit` would print */
function typeCheck(config) {
  const host = {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
      throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n'));
    },
  };
  const { fileNames, options, errors } = ts.getParsedCommandLineOfConfigFile(config, { noEmit: true }, host);
  // ESLint walks from a node to its parent.
  const compilerHost = ts.createCompilerHost(options, true);
  // As tsc does: the rules of ESLint read no JSDoc.
  compilerHost.jsDocParsingMode = ts.JSDocParsingMode.ParseForTypeErrors;
  const program = ts.createProgram({
    rootNames: fileNames,
    options,
    host: compilerHost,
    configFileParsingDiagnostics: errors,
  });
  return { program, diagnostics: ts.formatDiagnostics(ts.getPreEmitDiagnostics(program), compilerHost) };
}

/** As `eslint FOLDER --max-warnings 0`, with the types of the program. */
async function lint(program) {
  const eslint = new ESLint({
    cwd: root,
    overrideConfigFile: join(folder, 'eslint.config.mjs'),
    overrideConfig: [
      {
        files: ['**/*.ts', '**/*.tsx'],
        languageOptions: { parserOptions: { programs: [program], project: null } },
      },
    ],
  });
  const results = await eslint.lintFiles([folder]);
  const { format } = await eslint.loadFormatter('stylish');
  const isClean = results.every(({ errorCount, warningCount }) => errorCount === 0 && warningCount === 0);
  return { text: isClean ? '' : await format(results), isClean };
}
