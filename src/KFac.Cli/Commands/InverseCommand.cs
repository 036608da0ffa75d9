using System.CommandLine;
using System.Diagnostics;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>kfac inverse</c>: <c>(A + λI)⁻¹</c> of a symmetric matrix, through Cholesky.</summary>
/// <remarks>A matrix that fails in float32, or whose inverse has no correct digit there, is tried again in float64, which is
/// reported. One that is singular to float64's precision is refused. JSON:
/// <c>{device, size, damping, precision, condition, inverse:{path, size}, seconds}</c>; <c>precision</c> is <c>single</c>
/// or <c>double</c>; <c>condition</c> is ‖A + λI‖₁·‖(A + λI)⁻¹‖₁; <c>seconds</c> is the computation without reading and
/// writing files.</remarks>
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
        using OutputFiles files = OutputFiles.For(target);
        using Device device = context.OpenDevice();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        InputFile matrix = InputFile.ReadSymmetric(stream, arena, context.Required(_matrix));
        int size = matrix.Rows.Rows;
        MatrixView<float> inverse = arena.Matrix<float>(size, size);

        long start = Stopwatch.GetTimestamp();
        (InversePrecision precision, double condition) = Invert(stream, arena, matrix, damping, inverse);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        context.Cancellation.ThrowIfCancellationRequested();

        files.WriteNpy(target, stream, inverse.AsVector(), size, size);
        files.Commit();
        var result = new InverseResult(device.Name, size, damping, Describe(precision), condition, new SquareFileResult(target, size), seconds);
        context.Report(result, CliJson.Default.InverseResult, console => console.WriteFields(
            ("inverse", $"{target} ({size}×{size})"),
            ("damping", result.Damping.ToText()),
            ("precision", result.Precision),
            ("condition", condition.ToText()),
            ("seconds", seconds.ToText())));
        return ExitCode.Success;
    }

    private static (InversePrecision Precision, double Condition) Invert(
        DeviceStream stream, Arena arena, InputFile matrix, double damping, MatrixView<float> inverse)
    {
        VectorView<int> status = arena.Vector<int>(1);
        var item = new DampedInverseItem(matrix.Rows, (float)damping, inverse);
        foreach (InversePrecision precision in (ReadOnlySpan<InversePrecision>)[InversePrecision.Single, InversePrecision.Double])
        {
            DampedInverse.Run(stream, [item], status, precision);
            if (stream.Read(status) == 0)
            {
                double condition = OneNorm(stream, matrix.Rows, damping) * OneNorm(stream, inverse, 0);
                double unitRoundoff = precision == InversePrecision.Single ? Math.ScaleB(1, -24) : Math.ScaleB(1, -53);
                if (condition * matrix.Rows.Rows * unitRoundoff < 1)
                {
                    return (precision, condition);
                }
            }
        }

        throw new ArithmeticException(
            $"{matrix.Path} with damping {damping.ToText()} is singular or not positive definite, in float64 too; raise --damping.");
    }

    /// <summary>Largest column sum of magnitudes of <c>matrix + shift·I</c>.</summary>
    private static double OneNorm(DeviceStream stream, MatrixView<float> matrix, double shift)
    {
        int size = matrix.Rows;
        var row = new float[size];
        var sums = new double[size];
        for (int i = 0; i < size; i++)
        {
            stream.Download(matrix.Row(i), row);
            for (int j = 0; j < size; j++)
            {
                sums[j] += Math.Abs(row[j] + (i == j ? shift : 0));
            }
        }

        return sums.Max();
    }

    private static string Describe(InversePrecision precision) => precision == InversePrecision.Single ? "single" : "double";
}

/// <summary>Result of <see cref="InverseCommand"/>.</summary>
internal sealed record InverseResult(
    string Device, int Size, double Damping, string Precision, double Condition, SquareFileResult Inverse, double Seconds);

/// <summary>A square matrix that was written.</summary>
/// <param name="Path">The file.</param>
/// <param name="Size">Rows, and columns.</param>
internal sealed record SquareFileResult(string Path, int Size);
