import { Button, Stack } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { client } from '~/api/client';
import { CODE, toApiError } from '~/api/problem';
import { invalidate } from '~/api/query';
import { atField, besideFields } from '~/components/fields';
import { PasswordField } from '~/components/password-field';
import { ProblemView } from '~/components/problem';
import { told } from '~/components/told';
import { useMe } from '~/session/session';
import { Section } from './section';

const FIELDS = ['/current', '/new', '/password'];
const NOTHING = { current: '', next: '', again: '' };

/** Changes the password; all other sessions end by it. */
export function PasswordChange() {
  const me = useMe();
  const [typed, setTyped] = useState(NOTHING);
  const [tried, setTried] = useState(false);
  const change = useMutation({
    mutationFn: () => client.POST('/api/v1/auth/password', { body: { current: typed.current, new: typed.next } }),
    onSuccess: () => {
      setTyped(NOTHING);
      setTried(false);
      invalidate('/api/v1/auth/sessions');
      told('The password is changed. All your other sessions have ended.');
    },
  });
  const { error } = change;
  const wrong = error && toApiError(error).code === CODE.badCredentials;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (typed.current !== '' && typed.next !== '' && typed.next === typed.again) change.mutate();
  };
  const field = (name: keyof typeof NOTHING, eye: string) => ({
    value: typed[name],
    onChange: (event: { currentTarget: HTMLInputElement }) => {
      const { value } = event.currentTarget;
      setTyped((before) => ({ ...before, [name]: value }));
    },
    eye: `Show ${eye}`,
  });
  return (
    <Section title="Password" about="Changing it signs you out everywhere else.">
      <form onSubmit={submit} noValidate>
        <Stack gap="sm" align="stretch" maw={420}>
          {/* So that password managers know whose it is. */}
          <input type="hidden" name="username" autoComplete="username" value={me.user} readOnly />
          <PasswordField
            label="Present password"
            autoComplete="current-password"
            {...field('current', 'the present password')}
            error={
              tried && typed.current === '' ? 'Enter your present password.' : wrong ? 'This is not your present password.' : undefined
            }
          />
          <PasswordField
            label="New password"
            description="At least 10 characters"
            autoComplete="new-password"
            {...field('next', 'the new password')}
            error={tried && typed.next === '' ? 'Choose a new password.' : atField(error, '/new', '/password')}
          />
          <PasswordField
            label="New password again"
            autoComplete="new-password"
            {...field('again', 'the new password again')}
            error={tried && typed.next !== typed.again ? 'The two are not the same.' : undefined}
          />
          {error && !wrong && besideFields(error, ...FIELDS) && <ProblemView error={error} except={(at) => FIELDS.includes(at)} />}
          <Button type="submit" loading={change.isPending} style={{ alignSelf: 'flex-start' }}>
            Change the password
          </Button>
        </Stack>
      </form>
    </Section>
  );
}
