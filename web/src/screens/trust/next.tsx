import { Stack, Text } from '@mantine/core';
import { Command } from '~/components/command';
import { Part } from './in-force';
import { Publish } from './publish';
import { docOf, type TrustRoot } from './root';

const WAYS: [string, string][] = [
  ['Renew it before it expires', 'synod trust rotate'],
  ['Add a person, with their public keys in files', 'synod trust propose --add-principal erin=erin.pub'],
  ['Add a person with the keys registered by their account', 'synod trust propose --add-principal erin=account'],
  ['Give somebody one more key', 'synod trust propose --add-key carol=carol-new.pub'],
  ['Remove a person', 'synod trust propose --remove-principal erin'],
  ['Change who signs roots', 'synod trust propose --add-holder erin --remove-holder bob --threshold 2'],
  ['Change rules', 'synod trust show -o yaml > root.yaml\n# edit root.yaml\nsynod trust propose -f root.yaml'],
  ['A key may be in other hands: revoke it today', 'synod trust revoke SHA256:… --reason "laptop lost on a train"'],
];

/** How the next version comes to be: drafted and signed on people's own machines, published here or by the command line. */
export function Next({ root }: { root: TrustRoot }) {
  const doc = docOf(root);
  const file = `root-${root.version + 1}.json`;
  return (
    <Stack>
      <Text size="sm" c="dimmed" maw={720}>
        Signing happens on people's own machines, with the command line: a server that was stolen could show one thing here and have another
        signed.
      </Text>
      <Part title={`1. Draft version ${root.version + 1}`}>
        {WAYS.map(([what, command]) => (
          <div key={what}>
            <Text size="sm" mb={4}>
              {what}
            </Text>
            <Command text={command} />
          </div>
        ))}
        <Text size="sm">Each writes {file}. Look it over, with this server's templates:</Text>
        <Command text={`synod trust doctor ${file}`} />
      </Part>
      <Part title="2. Sign it">
        <Text size="sm">
          {doc.threshold} of the holders (
          {doc.principals
            .filter((one) => one.root)
            .map((one) => one.name)
            .join(', ')}
          ), each on their own machine, with their own key. Compare the digest with one another.
        </Text>
        <Command text={`synod trust sign ${file}`} />
      </Part>
      <Part title="3. Publish it">
        <Command text={`synod trust publish ${file}`} />
        <Publish />
      </Part>
    </Stack>
  );
}
