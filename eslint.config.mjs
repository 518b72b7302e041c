import tseslint from 'typescript-eslint';

const envOnlyInMain = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'The environment is read in main.ts and in settings only.',
};
const noForgedProof = {
  selector: ":matches(TSAsExpression, TSTypeAssertion) > TSTypeReference > Identifier[name='CountedAttempt']",
  message: 'Only an attempt gate proves that an attempt was counted (attempts/counted-attempt.decision.ts).',
};
const noPlaceholderTime = {
  selector: "NewExpression[callee.name='Date'][arguments.length=1] > Literal[value=0]",
  message: 'No placeholder time: build the value where its time is known.',
};
const noFocus = {
  selector: 'CallExpression[callee.object.name=/^(it|test|describe)$/][callee.property.name=/^(only|skip|todo)$/]',
  message: 'No test is skipped or singled out.',
};

export default tseslint.config(
  // The console has rules of its own.
  { ignores: ['dist/', 'build/', 'node_modules/', 'data/', '.cache/', 'examples/', 'apps/console/', '**/*.cjs'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: { project: 'tsconfig.json', tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_' },
      ],
      'max-lines': ['error', { max: 500 }],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-syntax': ['error', envOnlyInMain, noForgedProof, noPlaceholderTime, noFocus],
    },
  },
  {
    files: [
      '**/main.ts',
      '**/*.spec.ts',
      '**/*.int-spec.ts',
      '**/*.e2e-spec.ts',
      'libs/testing/**',
      'test/**',
      'bench/**',
    ],
    rules: { 'no-restricted-syntax': ['error', noPlaceholderTime, noFocus] },
  },
  // Here the proof is made, and nowhere else.
  {
    files: ['apps/verification/src/attempts/counted-attempt.decision.ts'],
    rules: { 'no-restricted-syntax': ['error', envOnlyInMain, noPlaceholderTime, noFocus] },
  },
  {
    // A decision is a function of its arguments: no clock, no chance.
    files: ['apps/*/src/**/*.decision.ts'],
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'Time is an argument of a decision.' },
        { object: 'Math', property: 'random', message: 'Chance is an argument of a decision.' },
      ],
      'no-restricted-globals': ['error', 'process', 'setTimeout', 'setInterval', 'fetch'],
    },
  },
  { files: ['**/*.mjs'], extends: [tseslint.configs.disableTypeChecked], rules: { 'no-restricted-syntax': 'off' } },
);
