import { Stack, Text } from '@mantine/core';
import { Navigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '~/api/client';
import { EnrolTotp } from '../me/totp';
import { Door } from '../sign-in/door';
import { Administrator } from './administrator';
import { NextSteps } from './next-steps';

const STEPS = ['Your account', 'Your second factor', 'What comes next'];

/** The first run: a first administrator, their second factor, and what to do then. */
export default function Setup() {
  const [step, setStep] = useState(0);
  const methods = api.useQuery('get', '/api/v1/auth/methods', {}, { staleTime: 0 });
  if (step === 0 && methods.data?.bootstrapped) return <Navigate to="/sign-in" search={{}} replace />;
  return (
    <Door title="Set up Synod" width={640} about={`Step ${step + 1} of ${STEPS.length}: ${STEPS[step] ?? ''}`}>
      {step === 0 && <Administrator done={() => setStep(1)} />}
      {step === 1 && (
        <Stack gap="md">
          <Text size="sm">
            You own this server and may change who may do what. A second factor keeps a stolen password from doing the same: with it, each
            such change asks for a fresh code.
          </Text>
          <EnrolTotp done={() => setStep(2)} later={() => setStep(2)} />
        </Stack>
      )}
      {step === 2 && <NextSteps />}
    </Door>
  );
}
