import { Command } from 'commander';
import { createSecrets } from './create-secrets.js';

const program = new Command('countersign').description('Caller identity verification for AI voice agents');
program
  .command('secrets')
  .description('keys and secrets of an installation')
  .command('create <folder>')
  .description('make the secrets that the folder lacks, one file for each; what is there stays')
  .option('--readable', 'files of mode 0644 instead of 0600, for containers that run as another user')
  .action(createSecrets);
await program.parseAsync();
