// The parameters of the conversation. An empty field is the model's own value.
import { useState } from "preact/hooks";
import { changed, conversation, setParams } from "../state";
import type { Params } from "../tree";
import { efforts } from "./composer";
import { Select } from "./controls";

type Numeric = "temperature" | "top_p" | "max_tokens" | "seed" | "budget";

interface FieldProps {
  name: Numeric;
  label: string;
  hint: string;
  min: number;
  max: number;
  step?: number; // none: whole numbers, without a slider
}

function NumberField({ name, label, hint, min, max, step }: FieldProps) {
  changed.value;
  const value = conversation.value.params[name];
  const [wrong, setWrong] = useState("");
  const take = (text: string) => {
    const x = Number(text);
    const bad = text !== "" && !(x >= min && x <= max && (step !== undefined || Number.isInteger(x)));
    setWrong(bad ? `${step === undefined ? "A whole number" : "A number"} from ${min} to ${max} is wanted.` : "");
    if (!bad) setParams({ [name]: text === "" ? undefined : x });
  };
  return (
    <div class="field">
      <label for={`p-${name}`}>{label}</label>
      <div class="row">
        {step !== undefined && (
          <input
            type="range"
            aria-label={`${label}, slider`}
            min={min}
            max={max}
            step={step}
            value={value ?? max / 2}
            class={value === undefined ? "unset" : ""}
            onInput={(e) => take(e.currentTarget.value)}
          />
        )}
        <input
          id={`p-${name}`}
          type="number"
          inputMode={step === undefined ? "numeric" : "decimal"}
          min={min}
          max={max}
          step={step ?? 1}
          placeholder={hint}
          value={value ?? ""}
          aria-invalid={wrong !== ""}
          aria-describedby={wrong ? `w-${name}` : undefined}
          onInput={(e) => take(e.currentTarget.value)}
        />
      </div>
      {wrong && (
        <p class="wrong" id={`w-${name}`}>
          {wrong}
        </p>
      )}
    </div>
  );
}

export function Parameters() {
  changed.value;
  const { params } = conversation.value;
  const set = Object.keys(params).some((k) => params[k as keyof Params] !== undefined && k !== "effort" && k !== "system");
  return (
    <div class="parameters">
      <div class="field">
        <label for="p-system">System prompt</label>
        <textarea
          id="p-system"
          rows={4}
          placeholder="None. R1 wants everything in the message."
          value={params.system}
          onInput={(e) => setParams({ system: e.currentTarget.value })}
        />
      </div>
      <div class="field">
        <label for="p-effort">Thinking</label>
        <Select
          id="p-effort"
          value={params.effort}
          options={efforts}
          onChange={(effort) => setParams({ effort: effort as Params["effort"] })}
        />
      </div>
      {params.effort === "budget" && (
        <NumberField name="budget" label="Tokens of thought, at most" hint="0" min={0} max={1 << 30} />
      )}
      <NumberField name="temperature" label="Temperature" hint="auto" min={0} max={2} step={0.05} />
      <NumberField name="top_p" label="Top-p" hint="auto" min={0} max={1} step={0.01} />
      <NumberField name="max_tokens" label="Tokens, at most" hint="as many as fit" min={1} max={1 << 30} />
      <NumberField name="seed" label="Seed" hint="a fresh one" min={0} max={Number.MAX_SAFE_INTEGER} />
      <button
        type="button"
        class="plain"
        disabled={!set && params.effort === "auto" && !params.system}
        onClick={() =>
          setParams({
            temperature: undefined, top_p: undefined, max_tokens: undefined, seed: undefined, budget: undefined,
            effort: "auto", system: "",
          })
        }
      >
        The model's own values
      </button>
    </div>
  );
}
