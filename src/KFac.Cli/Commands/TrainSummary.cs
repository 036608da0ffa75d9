using KFac.Nn;
using Spectre.Console;

namespace KFac.Cli;

/// <summary><c>kfac train WORKLOAD --summary</c>: what the workload's model consists of and what memory training it takes, none of which is allocated.</summary>
/// <remarks>JSON: <c>{layers: [{name, inputWidth, outputWidth, hasBias, parameters, inputFactorSize, outputFactorSize,
/// hasDiagonalOutput}], otherParameters: [{name, parameters}], parameters, factorElements, parameterBytes, factorBytes,
/// inverseBytes, stepBytes}</c>.</remarks>
internal static class TrainSummary
{
    public static int Run(CommandContext context, Workload workload, string? dataDirectory)
    {
        TrainingProblem problem = workload.Load(dataDirectory, context.Seed);
        ModelSummary summary = ModelSummary.Of(workload, problem);
        context.Report(summary, CliJson.Default.ModelSummary, console => Print(console, summary));
        return ExitCode.Success;
    }

    private static void Print(IAnsiConsole console, ModelSummary summary)
    {
        Table table = new Table().Border(TableBorder.Simple).AddColumns("layer", "shape", "parameters", "A", "B");
        foreach (LayerSummary layer in summary.Layers)
        {
            string bias = layer.HasBias ? " + bias" : string.Empty;
            string output = layer.HasDiagonalOutput ? $"diagonal {layer.OutputFactorSize}" : $"{layer.OutputFactorSize}²";
            table.AddRow(
                Markup.Escape(layer.Name), $"{layer.InputWidth} → {layer.OutputWidth}{bias}", Count(layer.Parameters), $"{layer.InputFactorSize}²", output);
        }

        foreach (ParameterSummary parameter in summary.OtherParameters)
        {
            table.AddRow(Markup.Escape(parameter.Name), string.Empty, Count(parameter.Parameters), string.Empty, string.Empty);
        }

        console.Write(table);
        Table totals = new Table().Border(TableBorder.Simple).HideHeaders().AddColumns("name", "value");
        totals.AddRow("parameters", Count(summary.Parameters));
        totals.AddRow("parameters and gradients", Bytes(summary.ParameterBytes));
        totals.AddRow("Kronecker factors", Bytes(summary.FactorBytes));
        totals.AddRow("their inverses", Bytes(summary.InverseBytes));
        totals.AddRow("values and gradients of a step", Bytes(summary.StepBytes));
        console.Write(totals);
    }

    private static string Count(long number) => FormattableString.Invariant($"{number:N0}");

    private static string Bytes(long number) => FormattableString.Invariant($"{number / 1048576.0:N1} MiB");
}
