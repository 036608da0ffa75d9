using System.CommandLine;
using System.Diagnostics;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>kfac inverse</c>: <c>(A + λI)⁻¹</c> of a symmetric matrix, through Cholesky.</summary>
/// <remarks>A matrix that fails in float32 is tried again in float64, which is reported. JSON:
/// <c>{device, size, damping, precision, inverse:{path, size}, seconds}</c>; <c>precision</c> is <c>single</c> or
/// <c>double</c>; <c>seconds</c> is the computation without reading and writing files.</remarks>
internal sealed class InverseCommand : KfacCommand
{
    private readonly Option<string> _matrix = OptionFactory.Path("--matrix", "Symmetric matrix A, .npy [n, n].");
    private readonly Option<double> _damping = OptionFactory.Damping();
    private readonly Option<string> _out = OptionFactory.Path("--out", "Where to write the inverse, .npy [n, n].");

    public InverseCommand()
        : base("inverse", "Invert a symmetric positive definite matrix with damping.")
    {
        Add(_matrix);
        Add(_damping);
        Add(_out);
    }

    /// <inheritdoc/>
    public override int Run(CommandContext context)
    {
        string target = context.Required(_out);
        double damping = context.Required(_damping);
        using OutputFiles files = OutputFiles.Beside(target);
        using Device device = context.OpenDevice();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        InputFile matrix = InputFile.ReadSymmetric(stream, arena, context.Required(_matrix));
        int size = matrix.Rows.Rows;
        MatrixView<float> inverse = arena.Matrix<float>(size, size);

        long start = Stopwatch.GetTimestamp();
        InversePrecision precision = Invert(stream, arena, matrix, damping, inverse);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;

        string path = files.Write(Path.GetFileName(target), stream, inverse, size, size);
        files.Commit();
        var result = new InverseResult(device.Name, size, damping, Describe(precision), new SquareFileResult(path, size), seconds);
        context.Report(result, CliJson.Default.InverseResult, console => console.WriteFields(
            ("inverse", $"{path} ({size}×{size})"),
            ("damping", result.Damping.ToText()),
            ("precision", result.Precision),
            ("seconds", seconds.ToText())));
        return ExitCode.Success;
    }

    private static InversePrecision Invert(
        DeviceStream stream, Arena arena, InputFile matrix, double damping, MatrixView<float> inverse)
    {
        VectorView<int> status = arena.Vector<int>(1);
        var item = new DampedInverseItem(matrix.Rows, (float)damping, inverse);
        DampedInverse.Run(stream, [item], status, InversePrecision.Single);
        if (stream.Read(status) == 0)
        {
            return InversePrecision.Single;
        }

        DampedInverse.Run(stream, [item], status, InversePrecision.Double);
        int pivot = stream.Read(status);
        return pivot == 0
            ? InversePrecision.Double
            : throw new ArithmeticException(
                $"{matrix.Path} with damping {damping.ToText()} is not positive definite (pivot {pivot - 1}, in float64 too); raise --damping.");
    }

    private static string Describe(InversePrecision precision) => precision == InversePrecision.Single ? "single" : "double";
}

/// <summary>Result of <see cref="InverseCommand"/>.</summary>
internal sealed record InverseResult(string Device, int Size, double Damping, string Precision, SquareFileResult Inverse, double Seconds);

/// <summary>A square matrix that was written.</summary>
/// <param name="Path">The file.</param>
/// <param name="Size">Rows, and columns.</param>
internal sealed record SquareFileResult(string Path, int Size);
