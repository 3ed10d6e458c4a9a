import { MultiSelect, Radio, Select, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { DocumentDialog, type ErrorAt } from './document-dialog';
import { useThings, useUserNames } from './objects';
import { UntilField } from './until-field';
import { ending, freeName, ROLES, type Role, readSubject, type Subject, subjectKey, type Thing, toDocument, where } from './words';

interface Props {
  /** The one to change; absent to give a role anew. */
  binding?: Thing<'rolebindings'> | undefined;
  /** Who is to get it, when that is known already. */
  who?: Subject | undefined;
  /** Where the caller may give roles; `''` is everywhere. */
  places: string[];
  close: () => void;
}

/** Gives a role, or changes who has it and until when. */
export function RoleDialog({ binding, who, places, close }: Props) {
  const { things, newest } = useThings('rolebindings');
  const [subjects, setSubjects] = useState((binding?.spec.subjects ?? (who ? [who] : [])).map(subjectKey));
  const [role, setRole] = useState<Role | ''>(binding?.spec.role ?? '');
  // Everywhere is chosen by nobody but a person: it is also the only place as long as the namespaces are not known.
  const [place, setPlace] = useState<string | undefined>(binding?.namespace ?? (places.length === 1 ? places[0] || undefined : undefined));
  const [expires, setExpires] = useState(binding?.spec.expires ?? '');
  const [typed, setTyped] = useState('');
  const [revision, setRevision] = useState(binding?.revision ?? 0);
  const picked = subjects.map(readSubject).filter((one) => one !== undefined);
  const taken = things.filter((one) => one.namespace === place).map((one) => one.name);
  const suggested = freeName([picked[0]?.user ?? picked[0]?.group ?? '', role].filter(Boolean).join('-'), taken);
  const name = binding?.name ?? (typed.trim() || suggested);
  const past = expires !== '' && expires !== binding?.spec.expires && ending(expires) === 'ended';
  const spec = { role, subjects: picked, ...(expires !== '' && { expires }) };
  const ready = picked.length > 0 && role !== '' && place !== undefined && !past;
  return (
    <DocumentDialog
      title={binding ? `Role ${binding.spec.role} ${where(binding.namespace)}` : 'Give a role'}
      what={binding ? `Save ${binding.name}` : 'Give the role'}
      document={ready ? toDocument('RoleBinding', name, spec, { namespace: place, labels: binding?.labels }) : undefined}
      missing={past ? 'Choose a time that is to come.' : 'Say who is to have which role, and where.'}
      revision={revision}
      shown={['/metadata/name', '/metadata/namespace', '/spec/subjects', '/spec/role', '/spec/expires']}
      close={close}
      rebase={async () => setRevision((await newest()).find((one) => one.name === name && one.namespace === place)?.revision ?? 0)}
      fields={(errorAt) => (
        <>
          <Subjects value={subjects} change={setSubjects} error={errorAt('/spec/subjects')} />
          {!binding && <RoleField value={role} change={setRole} errorAt={errorAt} />}
          {!binding && (
            <Select
              label="Where"
              data={places.map((one) => ({ value: one === '' ? '*' : one, label: one === '' ? 'everywhere' : `in namespace ${one}` }))}
              required
              placeholder="Choose a namespace, or everywhere"
              value={place === undefined ? null : place || '*'}
              onChange={(to) => setPlace(to === '*' ? '' : (to ?? undefined))}
              allowDeselect={false}
              error={errorAt('/metadata/namespace')}
            />
          )}
          <UntilField value={expires} change={setExpires} error={past ? 'This time has passed.' : errorAt('/spec/expires')} />
          {!binding && (
            <TextInput
              label="Name of the binding"
              description="Under which it stands in the record."
              placeholder={suggested}
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
              autoCapitalize="none"
              autoComplete="off"
              spellCheck={false}
              error={errorAt('/metadata/name')}
            />
          )}
        </>
      )}
    />
  );
}

function Subjects({ value, change, error }: { value: string[]; change: (value: string[]) => void; error: string | undefined }) {
  const users = useUserNames();
  const { things: groups } = useThings('groups');
  const known = (kind: string) => value.map(readSubject).map((one) => one?.[kind as 'user']);
  const options = (kind: 'user' | 'group', names: string[]) =>
    [...new Set([...names, ...known(kind)])]
      .filter((name) => name !== undefined)
      .map((name) => ({ value: `${kind}:${name}`, label: kind === 'group' ? `group ${name}` : name }));
  return (
    <MultiSelect
      label="Who"
      required
      data={[
        {
          group: 'Groups',
          items: options(
            'group',
            groups.map((group) => group.name),
          ),
        },
        { group: 'People and service accounts', items: options('user', users) },
      ]}
      value={value}
      onChange={change}
      searchable
      hidePickedOptions
      placeholder={value.length === 0 ? 'Pick people or groups' : ''}
      nothingFoundMessage="Nobody of this name"
      error={error}
    />
  );
}

function RoleField({ value, change, errorAt }: { value: Role | ''; change: (role: Role) => void; errorAt: ErrorAt }) {
  return (
    <Radio.Group label="Role" required value={value} onChange={(role) => change(role as Role)} error={errorAt('/spec/role')}>
      <Stack gap={4} mt={4}>
        {ROLES.map(({ role, may }) => (
          <Radio
            key={role}
            value={role}
            label={
              <Text size="sm" span>
                <b>{role}</b>: {may}
              </Text>
            }
            py={4}
          />
        ))}
      </Stack>
    </Radio.Group>
  );
}
