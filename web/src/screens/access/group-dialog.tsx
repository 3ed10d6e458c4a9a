import { MultiSelect, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import { DocumentDialog } from './document-dialog';
import { useThings, useUserNames } from './objects';
import { type Thing, toDocument } from './words';

/** Makes or changes a group. */
export function GroupDialog({ group, close }: { group: Thing<'groups'> | undefined; close: () => void }) {
  const [name, setName] = useState(group?.name ?? '');
  const [description, setDescription] = useState(group?.spec.description ?? '');
  const [members, setMembers] = useState(group?.spec.members ?? []);
  const [revision, setRevision] = useState(group?.revision ?? 0);
  const { newest } = useThings('groups');
  const users = useUserNames();
  const wanted = name.trim();
  const spec = { ...(description.trim() && { description: description.trim() }), members };
  const rebase = async () => {
    const now = await newest();
    setRevision(now.find((one) => one.name === group?.name)?.revision ?? 0);
  };
  return (
    <DocumentDialog
      title={group ? `Group ${group.name}` : 'New group'}
      what={group ? `Save group ${group.name}` : 'Create the group'}
      document={wanted === '' ? undefined : toDocument('Group', wanted, spec, { labels: group?.labels })}
      missing="Give it a name first."
      revision={revision}
      shown={['/metadata/name', '/spec/description', '/spec/members']}
      close={close}
      rebase={rebase}
      fields={(errorAt) => (
        <>
          {!group && (
            <TextInput
              label="Name"
              description="Lower-case letters, digits and “-”."
              required
              autoCapitalize="none"
              autoComplete="off"
              spellCheck={false}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              error={errorAt('/metadata/name')}
              data-autofocus
            />
          )}
          <Textarea
            label="What it is for"
            autosize
            minRows={1}
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
            error={errorAt('/spec/description')}
          />
          <MultiSelect
            label="Members"
            data={[...new Set([...users, ...members])]}
            value={members}
            onChange={setMembers}
            searchable
            hidePickedOptions
            nothingFoundMessage="No such account"
            placeholder={members.length === 0 ? 'Pick people' : ''}
            error={errorAt('/spec/members')}
          />
        </>
      )}
    />
  );
}
