// Every command's entry; the table is in main.cpp, the code in the file of the command's name.
#pragma once

#include "cli/command.h"

namespace r1 {

Run declare_run(CLI::App& app);
extern const char* const run_examples;
Run declare_train(CLI::App& app);
extern const char* const train_examples;
Run declare_export(CLI::App& app);
extern const char* const export_examples;
Run declare_serve(CLI::App& app);
extern const char* const serve_examples;
Run declare_key(CLI::App& app);
extern const char* const key_examples;
Run declare_trace(CLI::App& app);
extern const char* const trace_examples;
Run declare_usage(CLI::App& app);
extern const char* const usage_examples;
Run declare_completion(CLI::App& app);
extern const char* const completion_examples;
Run declare_quantize(CLI::App& app);
extern const char* const quantize_examples;
Run declare_show(CLI::App& app);
extern const char* const show_examples;
Run declare_fit(CLI::App& app);
extern const char* const fit_examples;
Run declare_logits(CLI::App& app);
extern const char* const logits_examples;
Run declare_perplexity(CLI::App& app);
extern const char* const perplexity_examples;
Run declare_synth(CLI::App& app);
extern const char* const synth_examples;
Run declare_bench(CLI::App& app);
extern const char* const bench_examples;
Run declare_tokenize(CLI::App& app);
extern const char* const tokenize_examples;
Run declare_eval(CLI::App& app);
extern const char* const eval_examples;
Run declare_grade(CLI::App& app);
extern const char* const grade_examples;
Run declare_data(CLI::App& app);
extern const char* const data_examples;
Run declare_template(CLI::App& app);
extern const char* const template_examples;

}  // namespace r1
