// Reads cases as JSON from standard input, simulates each document, and prints the steps in the order of the run.
//
// A case is {document, parameters, answers}; answers are by the name of a step, a list is given out one by one, and
// {error: Code} makes the call fail. A result is {steps, succeeded, error}; error says why it did not succeed.
"use strict";

const { readFileSync } = require("node:fs");
const { OnFailure, Simulation, StepRef, StringDocument, StringVariable } = require("@cdklabs/cdk-ssm-documents");
const { Stack } = require("aws-cdk-lib");

const SUCCESS = 0;
const STARTED = "Executing Step: ";
const realNow = Date.now;

// The importer takes every reference for text, and would refuse numbers and Booleans.
StringVariable.prototype.assertType = () => {};

// The importer drops where a step leads to, so both fields are set again.
function restoreWays(document, plain) {
  for (const step of document.collectedSteps()) {
    const { nextStep, onFailure } = plain.mainSteps.find((each) => each.name === step.name);
    if (nextStep) step.explicitNextStep = StepRef.fromName(nextStep);
    if (onFailure === "Continue") step.onFailure = OnFailure.continue();
    if (onFailure?.startsWith("step:")) step.onFailure = OnFailure.invokeStepByName(onFailure.slice("step:".length));
    if (!step.listOutputs()) step.outputs = [];
  }
}

const firstLine = (text) => String(text).split("\n")[0];

function simulate({ document, parameters, answers }) {
  const steps = [];
  const given = {};
  let skipped = 0;
  // The library tells the order of the steps in its log only.
  console.log = (line) => {
    if (String(line).startsWith(STARTED)) steps.push(line.slice(STARTED.length));
  };
  Date.now = () => realNow() + skipped;
  const invoke = () => {
    const name = steps.at(-1);
    let answer = answers[name] ?? {};
    if (Array.isArray(answer)) {
      given[name] = (given[name] ?? -1) + 1;
      answer = answer[Math.min(given[name], answer.length - 1)];
    }
    if (answer.error) throw new Error(answer.error);
    return answer;
  };
  const hooks = { awsInvoker: { invoke }, sleepHook: { sleep: (milliseconds) => (skipped += milliseconds) } };
  try {
    const read = StringDocument.fromJson(new Stack(), "Document", JSON.stringify(document));
    restoreWays(read, document);
    const result = Simulation.ofAutomation(read, hooks).simulate({ ...parameters });
    const succeeded = result.responseCode === SUCCESS;
    return { steps, succeeded, error: succeeded ? "" : firstLine(result.stackTrace) };
  } catch (error) {
    return { steps, succeeded: false, error: firstLine(error.message) };
  } finally {
    Date.now = realNow;
  }
}

const results = JSON.parse(readFileSync(0, "utf8")).map(simulate);
process.stdout.write(`${JSON.stringify(results)}\n`);
