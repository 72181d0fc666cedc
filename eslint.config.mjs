import tseslint from 'typescript-eslint';

// The folds must give the same rows on every replay, so nothing below these folders may look at the world.
const noClockNoChance = [
  {
    selector: "NewExpression[callee.name='Date'][arguments.length=0]",
    message: 'Time comes in the event or the command.',
  },
  {
    selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
    message: 'Time comes in the event or the command.',
  },
  {
    selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']",
    message: 'A fold or a decision must repeat.',
  },
  { selector: "MemberExpression[object.name='process']", message: 'No environment below apps/.' },
  { selector: "Identifier[name='setTimeout']", message: 'No timers below apps/.' },
];

// What the client of the event store offers, and nobody may take up.
const guardedAppends = [
  {
    selector: "ImportSpecifier[imported.name='ANY']",
    message: 'An append with ANY that is tried again writes twice: name the exact revision.',
  },
  {
    selector: "Property[key.name='expectedRevision'] Literal[value='any']",
    message: 'An append with ANY that is tried again writes twice: name the exact revision.',
  },
  {
    selector: "CallExpression[callee.property.name='appendToStream'][arguments.length<3]",
    message: 'Without expectedRevision the client appends with ANY.',
  },
  {
    selector:
      "CallExpression[callee.property.name='appendToStream'] > ObjectExpression:not(:has(> Property[key.name='expectedRevision']))",
    message: 'Without expectedRevision the client appends with ANY.',
  },
  {
    selector: "CallExpression > ObjectExpression > Property[key.name='credentials']",
    message: 'Credentials belong in the URL: given per call they turn off appends in batches.',
  },
];

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', '.mailfold/', 'coverage/', '**/*.cjs', '**/*.mjs'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      'no-console': 'error',
      'max-lines-per-function': ['error', { max: 70, skipComments: true, skipBlankLines: true, IIFEs: true }],
    },
  },
  {
    files: ['domain/**/*.ts', 'projections/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    rules: {
      'no-restricted-syntax': ['error', ...noClockNoChance],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
    },
  },
  {
    files: ['apps/shared/event-store/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...guardedAppends] },
  },
  {
    // A describe block is a table of contents, not a function to be held in mind.
    files: ['test/**/*.ts'],
    rules: {
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
    },
  },
);
