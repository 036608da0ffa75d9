using KFac.Kernels;

namespace KFac.Nn;

/// <summary>What a network's outputs are compared with: a label, or a row of values, per output row.</summary>
/// <param name="Labels">[rows]: classes from 0, or −1 for a row without a target.</param>
/// <param name="Values">[rows, columns]; NaN for an element without a target where the loss allows it.</param>
public readonly record struct Targets(VectorView<int> Labels, MatrixView<float> Values)
{
    /// <summary>What marks a row without a target.</summary>
    public const int Masked = -1;

    /// <summary>Rows with a target, which a mean-reduced loss divides by; 0 where all rows count, with or without one.</summary>
    public int Terms { get; init; }

    /// <summary>Labels that are on the device already; they must be −1 to C − 1.</summary>
    public static Targets Of(VectorView<int> labels) => new(labels, default);

    /// <summary>Values that are on the device already.</summary>
    public static Targets Of(MatrixView<float> values) => new(default, values);

    /// <summary>Checks labels and copies them to the device.</summary>
    /// <param name="arena">Where the copy lives.</param>
    /// <param name="labels">One per output row: 0 to <paramref name="classes"/> − 1, or −1 for a row without a target.</param>
    /// <exception cref="ArgumentException">Names the first label that is out of range.</exception>
    public static Targets FromLabels(DeviceStream stream, Arena arena, ReadOnlySpan<int> labels, int classes)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(arena);
        for (int i = 0; i < labels.Length; i++)
        {
            if (labels[i] < Masked || labels[i] >= classes)
            {
                throw new ArgumentException(
                    $"Label {i} is {labels[i]}; wanted 0 to {classes - 1}, or {Masked} for no target.", nameof(labels));
            }
        }

        VectorView<int> view = arena.Vector<int>(labels.Length);
        stream.Upload(labels, view);
        return Of(view);
    }

    /// <summary>Copies values to the device.</summary>
    /// <param name="arena">Where the copy lives.</param>
    /// <param name="values">Row-major [rows, columns].</param>
    public static Targets FromValues(DeviceStream stream, Arena arena, ReadOnlySpan<float> values, int rows, int columns)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(arena);
        MatrixView<float> view = arena.Matrix<float>(rows, columns);
        stream.Upload(values, view);
        return Of(view);
    }
}
