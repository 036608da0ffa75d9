using System.CommandLine;
using System.Diagnostics;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>kfac precondition</c>: applies the damped inverse of <c>A ⊗ B</c> to a gradient.</summary>
/// <remarks>JSON: <c>{device, dampingStyle, damping, events:[{kind, count}], update:{path, rows, columns}, seconds}</c>;
/// <c>events</c> says what had to be done to invert the factors and is usually empty; <c>seconds</c> is the computation
/// without reading and writing files.</remarks>
internal sealed class PreconditionCommand : KfacCommand
{
    private readonly Option<string> _a = OptionFactory.Path("--a", "Input factor A, .npy [P_in, P_in]; a bias counts in P_in.");
    private readonly Option<string> _b = OptionFactory.Path("--b", "Output factor B, .npy [P_out, P_out].");
    private readonly Option<string> _gradient = OptionFactory.Path("--gradient", "Gradient ∇W, .npy [P_out, P_in].");
    private readonly Option<double> _damping = OptionFactory.Damping();
    private readonly Option<string> _style = OptionFactory.Choice(
        "--damping-style", "How λ enters: split with π, added to each factor, or to the product.", "pi", "pi", "factor", "product");

    private readonly Option<string> _out = OptionFactory.Path("--out", "Where to write the update, .npy [P_out, P_in].");

    public PreconditionCommand()
        : base("precondition", "Precondition a gradient with a pair of Kronecker factors.")
    {
        foreach (Option option in (Option[])[_a, _b, _gradient, _damping, _style, _out])
        {
            Add(option);
        }
    }

    /// <inheritdoc/>
    public override int Run(CommandContext context)
    {
        string target = context.Required(_out);
        string style = context.Required(_style);
        double damping = context.Required(_damping);
        using OutputFiles files = OutputFiles.For(target);
        using Device device = context.OpenDevice();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        InputFile a = InputFile.ReadFactor(stream, arena, context.Required(_a));
        InputFile b = InputFile.ReadFactor(stream, arena, context.Required(_b));
        InputFile gradient = InputFile.ReadMatrix(stream, arena, context.Required(_gradient));
        (int rows, int columns) = (b.Rows.Rows, a.Rows.Rows);
        if (gradient.Rows.Rows != rows || gradient.Rows.Columns != columns)
        {
            throw new InvalidDataException(
                $"{gradient.Path} has shape {gradient.ShapeText}; wanted ({rows}, {columns}) for {b.Path} and {a.Path}.");
        }

        MatrixView<float> update = arena.Matrix<float>(rows, columns);
        long start = Stopwatch.GetTimestamp();
        IReadOnlyList<NumericalEventCount> events =
            Preconditioner.Apply(stream, a.Rows, b.Rows, gradient.Rows, damping, StyleOf(style), update);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        context.Cancellation.ThrowIfCancellationRequested();

        files.WriteNpy(target, stream, update.AsVector(), rows, columns);
        files.Commit();
        var result = new PreconditionResult(
            device.Name,
            style,
            damping,
            [.. events.Select(static item => new EventResult(item.Kind, item.Count))],
            new MatrixFileResult(target, rows, columns),
            seconds);
        context.Report(result, CliJson.Default.PreconditionResult, console => console.WriteFields(
            ("update", $"{target} ({rows}×{columns})"),
            ("damping", $"{damping.ToText()}, {style}"),
            ("events", events.Count == 0 ? "none" : string.Join(", ", events.Select(static item => $"{item.Kind} {item.Count}"))),
            ("seconds", seconds.ToText())));
        return ExitCode.Success;
    }

    private static DampingStyle StyleOf(string style) => style switch
    {
        "pi" => DampingStyle.FactoredPi,
        "factor" => DampingStyle.PerFactor,
        _ => DampingStyle.Product,
    };
}

/// <summary>Result of <see cref="PreconditionCommand"/>.</summary>
internal sealed record PreconditionResult(
    string Device,
    string DampingStyle,
    double Damping,
    IReadOnlyList<EventResult> Events,
    MatrixFileResult Update,
    double Seconds);

/// <summary>How often a numerical event happened.</summary>
internal sealed record EventResult(string Kind, long Count);

/// <summary>A matrix that was written.</summary>
internal sealed record MatrixFileResult(string Path, int Rows, int Columns);
