import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';
import everywhere from '../../eslint.config.mjs';

/** The rules of the repository without its list of ignored folders, and those of React. */
export default tseslint.config({ ignores: ['**/openapi.d.ts'] }, ...everywhere.slice(1), {
  files: ['**/*.ts', '**/*.tsx'],
  extends: [reactHooks.configs.flat.recommended],
  languageOptions: { parserOptions: { project: 'tsconfig.json', tsconfigRootDir: import.meta.dirname } },
});
