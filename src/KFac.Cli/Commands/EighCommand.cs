using System.CommandLine;
using System.Diagnostics;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>kfac eigh</c>: eigenvalues and eigenvectors of a symmetric matrix.</summary>
/// <remarks>JSON: <c>{device, size, smallest, largest, values:{path, size}, vectors:{path, size}, seconds}</c>;
/// <c>values.npy</c> is [n], ascending; <c>vectors.npy</c> is [n, n] with the eigenvectors as columns; <c>seconds</c> is the
/// computation without reading and writing files.</remarks>
internal sealed class EighCommand : KfacCommand
{
    private readonly Option<string> _matrix = OptionFactory.Path("--matrix", "Symmetric matrix A, .npy [n, n].");
    private readonly Option<string> _out = OptionFactory.Path("--out", "Where to write values.npy and vectors.npy.", "DIR");

    public EighCommand()
        : base("eigh", "Diagonalise a symmetric matrix.")
    {
        Add(_matrix);
        Add(_out);
    }

    /// <inheritdoc/>
    public override int Run(CommandContext context)
    {
        string directory = context.Required(_out);
        using OutputFiles files = OutputFiles.InDirectory(directory);
        using Device device = context.OpenDevice();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        InputFile matrix = InputFile.ReadSymmetric(stream, arena, context.Required(_matrix));
        int size = matrix.Rows.Rows;
        VectorView<float> values = arena.Vector<float>(size);
        MatrixView<float> vectors = arena.Matrix<float>(size, size);
        VectorView<int> status = arena.Vector<int>(1);

        long start = Stopwatch.GetTimestamp();
        SymmetricEigen.Run(stream, [new SymmetricEigenItem(matrix.Rows, values, vectors)], status);
        if (stream.Read(status) != 0)
        {
            throw new ArithmeticException($"The eigenvalues of {matrix.Path} did not converge.");
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        context.Cancellation.ThrowIfCancellationRequested();
        float smallest = stream.Read(values);
        float largest = stream.Read(values, size - 1);
        string valuesPath = Path.Combine(directory, "values.npy");
        string vectorsPath = Path.Combine(directory, "vectors.npy");
        files.WriteNpy(valuesPath, stream, values, size);
        files.WriteNpy(vectorsPath, stream, vectors.AsVector(), size, size);
        files.Commit();
        var result = new EighResult(
            device.Name, size, smallest, largest, new SquareFileResult(valuesPath, size), new SquareFileResult(vectorsPath, size), seconds);
        context.Report(result, CliJson.Default.EighResult, console => console.WriteFields(
            ("values", $"{valuesPath} ({size}), {smallest.ToText()} to {largest.ToText()}"),
            ("vectors", $"{vectorsPath} ({size}×{size})"),
            ("seconds", seconds.ToText())));
        return ExitCode.Success;
    }
}

/// <summary>Result of <see cref="EighCommand"/>.</summary>
internal sealed record EighResult(
    string Device, int Size, float Smallest, float Largest, SquareFileResult Values, SquareFileResult Vectors, double Seconds);
