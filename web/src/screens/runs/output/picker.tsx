import { Autocomplete, Select } from '@mantine/core';
import { useState } from 'react';

/** So many fit into a list to choose from. */
const LISTED = 200;

/** Chooses one node of a run, or all of them. */
export function NodePicker({
  names,
  node,
  setNode,
}: {
  names: string[];
  node: string | undefined;
  setNode: (node: string | undefined) => void;
}) {
  if (names.length <= LISTED) {
    return (
      <Select
        aria-label="Output of which node"
        placeholder="All nodes"
        data={names}
        value={node ?? null}
        onChange={(name) => setNode(name ?? undefined)}
        clearable
        searchable
        w={170}
        clearButtonProps={{ 'aria-label': 'All nodes' }}
      />
    );
  }
  return <Typed key={node ?? ''} names={names} node={node} setNode={setNode} />;
}

function Typed({ names, node, setNode }: { names: string[]; node: string | undefined; setNode: (node: string | undefined) => void }) {
  const [text, setText] = useState(node ?? '');
  const chosen = (name: string) => {
    setText(name);
    if (name === '') setNode(undefined);
    else if (names.includes(name)) setNode(name);
  };
  return (
    <Autocomplete
      aria-label="Output of which node"
      placeholder="All nodes"
      data={names}
      limit={50}
      value={text}
      onChange={chosen}
      clearable
      clearButtonProps={{ 'aria-label': 'All nodes' }}
      w={170}
    />
  );
}
