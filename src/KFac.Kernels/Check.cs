using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace KFac.Kernels;

/// <summary>What every operation checks at its door before a kernel may trust its arguments.</summary>
internal static class Check
{
    /// <summary>The view is alive and lives on the stream's device.</summary>
    public static void View<T>(DeviceStream stream, MatrixView<T> view, string name)
        where T : unmanaged => View(stream, view.Buffer, view.Generation, view.IsEmpty, name);

    /// <inheritdoc cref="View{T}(DeviceStream, MatrixView{T}, string)"/>
    public static void View<T>(DeviceStream stream, VectorView<T> view, string name)
        where T : unmanaged => View(stream, view.Buffer, view.Generation, view.IsEmpty, name);

    /// <summary>What completes the key, if anything does, is one number on the stream's device.</summary>
    public static void Key(DeviceStream stream, in DeviceKey key)
    {
        View(stream, key.Sequence, nameof(key));
        if (key.Sequence.Length > 1)
        {
            throw new ArgumentException($"The key is completed by {key.Sequence.Length} numbers; wanted one, or none.", nameof(key));
        }
    }

    /// <summary>The view has the wanted shape.</summary>
    public static void Shape<T>(MatrixView<T> view, int rows, int columns, string name)
        where T : unmanaged
    {
        if (view.Rows != rows || view.Columns != columns)
        {
            throw new ArgumentException($"{name} is {view}; wanted {rows}×{columns}.", name);
        }
    }

    /// <summary>The vector has the wanted length.</summary>
    public static void Length<T>(VectorView<T> view, int length, string name)
        where T : unmanaged
    {
        if (view.Length != length)
        {
            throw new ArgumentException($"{name} has {view.Length} elements; wanted {length}.", name);
        }
    }

    /// <summary>The matrix is square.</summary>
    public static void Square<T>(MatrixView<T> view, string name)
        where T : unmanaged
    {
        if (view.Rows != view.Columns)
        {
            throw new ArgumentException($"{name} is {view}; wanted a square matrix.", name);
        }
    }

    /// <summary>Two numbers agree.</summary>
    public static void Same(long left, long right, string leftName, string rightName)
    {
        if (left != right)
        {
            throw new ArgumentException($"{leftName} is {left} and {rightName} is {right}; wanted them equal.");
        }
    }

    /// <summary>A scalar is finite.</summary>
    public static void Finite(float value, [CallerArgumentExpression(nameof(value))] string name = "")
    {
        if (!float.IsFinite(value))
        {
            throw new ArgumentException($"{name} is {value}; wanted a finite number.", name);
        }
    }

    /// <summary>The bytes that <paramref name="output"/> spans are not those that <paramref name="input"/> spans.</summary>
    public static void NoOverlap<TOutput, TInput>(
        MatrixView<TOutput> output, MatrixView<TInput> input, string outputName, string inputName)
        where TOutput : unmanaged
        where TInput : unmanaged
    {
        if (output.IsEmpty || input.IsEmpty || !ReferenceEquals(output.Buffer, input.Buffer))
        {
            return;
        }

        long outputEnd = output.ByteOffset + Span(output);
        long inputEnd = input.ByteOffset + Span(input);
        if (output.ByteOffset < inputEnd && input.ByteOffset < outputEnd)
        {
            throw new ArgumentException($"{outputName} overlaps {inputName}; wanted separate memory.", outputName);
        }
    }

    /// <inheritdoc cref="NoOverlap{TOutput, TInput}(MatrixView{TOutput}, MatrixView{TInput}, string, string)"/>
    public static void NoOverlap(VectorView<float> output, MatrixView<float> input, string outputName, string inputName) =>
        NoOverlap(AsRow(output), input, outputName, inputName);

    /// <inheritdoc cref="NoOverlap{TOutput, TInput}(MatrixView{TOutput}, MatrixView{TInput}, string, string)"/>
    public static void NoOverlap(MatrixView<float> output, VectorView<float> input, string outputName, string inputName) =>
        NoOverlap(output, AsRow(input), outputName, inputName);

    /// <inheritdoc cref="NoOverlap{TOutput, TInput}(MatrixView{TOutput}, MatrixView{TInput}, string, string)"/>
    public static void NoOverlap(VectorView<float> output, VectorView<float> input, string outputName, string inputName) =>
        NoOverlap(AsRow(output), AsRow(input), outputName, inputName);

    /// <summary>The output is the input itself, or shares no memory with it.</summary>
    public static void InPlaceOrApart(MatrixView<float> output, MatrixView<float> input, string outputName, string inputName)
    {
        bool inPlace = ReferenceEquals(output.Buffer, input.Buffer)
            && output.ByteOffset == input.ByteOffset
            && (output.RowStride == input.RowStride || output.Rows <= 1);
        if (!inPlace)
        {
            NoOverlap(output, input, outputName, inputName);
        }
    }

    /// <summary>The rows hold a whole number of blocks of <paramref name="blockRows"/>; returns how many.</summary>
    public static int Seeds(int rows, int blockRows, string name)
    {
        if (blockRows == 0 ? rows != 0 : rows % blockRows != 0)
        {
            throw new ArgumentException($"{name} has {rows} rows; wanted a multiple of {blockRows}.", name);
        }

        return blockRows == 0 ? 0 : rows / blockRows;
    }

    /// <summary>The stream's device is alive and has the kernel.</summary>
    public static TKernel Kernel<TKernel>([NotNull] DeviceStream? stream, Func<KernelTable, TKernel?> select, string operation)
        where TKernel : class
    {
        ArgumentNullException.ThrowIfNull(stream);
        ObjectDisposedException.ThrowIf(stream.Device.IsDisposed, stream.Device);
        return select(stream.Kernels) ?? throw new KernelMissingException(operation, stream.Device.Name);
    }

    private static MatrixView<float> AsRow(VectorView<float> view) => view.AsMatrix(1, view.Length);

    private static long Span<T>(MatrixView<T> view)
        where T : unmanaged => ((((long)view.Rows - 1) * view.RowStride) + view.Columns) * Unsafe.SizeOf<T>();

    private static void View(DeviceStream stream, DeviceBuffer? buffer, int generation, bool isEmpty, string name)
    {
        if (buffer is null)
        {
            if (isEmpty)
            {
                return;
            }

            throw new ArgumentException($"{name} views no memory.", name);
        }

        ObjectDisposedException.ThrowIf(buffer.IsDisposed, buffer);
        if (!ReferenceEquals(buffer.Device, stream.Device))
        {
            throw new ArgumentException($"{name} lives on device '{buffer.Device.Name}', the stream on another device '{stream.Device.Name}'.", name);
        }

        if (generation != buffer.Generation)
        {
            throw new InvalidOperationException($"{name} was taken from an arena that has been reset since.");
        }
    }
}
